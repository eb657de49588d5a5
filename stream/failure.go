package stream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Failure describes an element that a step failed to process.
type Failure struct {
	Meta     Meta
	Step     string
	Attempts int
	// of the last attempt; 0 if it was not measured: see Observer.TimeFailures
	Duration time.Duration
	Err      error
	Record   any // as it left the source
	Value    any // as the failing step received it
}

func (f Failure) String() string { return f.text(f.Meta.String()) }

// text describes the failure of a record that the caller names.
func (f Failure) text(which string) string {
	return fmt.Sprintf("%s: %s failed after %s: %v", f.Step, which, attempts(f.Attempts), f.Err)
}

func attempts(n int) string { return counted(n, "attempt") }

// counted formats a count of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// StepError is a failure that ended the pipeline: no policy took it, or FailOnError did. Match it
// with errors.As. It unwraps to the error of the handler.
type StepError struct {
	Step      string
	Topic     string
	Partition int
	Offset    int64
	Attempts  int
	Committed bool   // the step is below CommitBefore: the record is lost
	Source    string // in a Merge
	Err       error
}

func (e *StepError) Error() string {
	fate, policies := "the record is uncommitted and will be reprocessed", "RetryOnError, SkipOnError, DeadLetterOnError or HaltOnError"
	if e.Committed {
		fate, policies = "the record was already committed and is lost", "RetryOnError, SkipOnError or DeadLetterOnError"
	}
	return fmt.Sprintf("%s: %v@%d failed after %s: %v; the pipeline has ended, %s: fix the cause, or put %s below the step [LW201]",
		e.Step, TopicPartition{e.Topic, e.Partition, e.Source}, e.Offset, attempts(e.Attempts), e.Err, fate, policies)
}

func (e *StepError) Unwrap() error { return e.Err }

// PanicError is a recovered panic of a handler. The element fails at that step, like for any other
// error. Match it with errors.As.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v [LW202]", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func isPanic(err error) bool {
	_, is := errors.AsType[*PanicError](err)
	return is
}

// PartialError says which elements of a batch failed, by index. The others are finished and passed
// on. The policies decide about each failed one by its own error, and a retry runs on those that
// they retry. A Sink may return it, and so may the handler of a batch that passes its input on
// (Serial, Concurrent, Tap). From a handler with a result (Map…) it fails the whole batch, as there
// is no result to pass on for the others.
type PartialError struct{ Errs map[int]error }

func (e *PartialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of the batch failed [LW208]", counted(len(e.Errs), "element"))
	for n, i := range slices.Sorted(maps.Keys(e.Errs)) {
		if n == 3 {
			b.WriteString("; …")
			break
		}
		fmt.Fprintf(&b, "; [%d] %v", i, e.Errs[i])
	}
	return b.String()
}

// Unwrap returns the errors of the elements, by index.
func (e *PartialError) Unwrap() []error {
	var errs []error
	for _, i := range slices.Sorted(maps.Keys(e.Errs)) {
		errs = append(errs, e.Errs[i])
	}
	return errs
}

// Permanent marks an error that no retry can fix: RetryOnError leaves it to the next policy.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// IsPermanent reports whether Permanent has marked the error.
func IsPermanent(err error) bool {
	var p *PermanentError
	return errors.As(err, &p)
}

// PermanentError is the mark that Permanent puts on an error. It adds nothing to its text.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the marked error.
func (e *PermanentError) Unwrap() error { return e.Err }

// Errors to match with errors.Is.
var (
	// ErrStale: the halt passed to Resume, Skip or WaitResumed is no longer the partition's halt.
	ErrStale = errors.New("stale halt: the partition is no longer halted at that offset and epoch; call Halts again [LW203]")
	// ErrSeveral: the halt passed to Skip covers several records, and any of them may be the cause.
	// Say with SkipRange which of them to give up.
	ErrSeveral = errors.New("the halt covers several records [LW204]")
	// ErrDrain: a drain ended before all started records were finished and committed. The error
	// that wraps it names what is left.
	ErrDrain = errors.New("drain incomplete [LW205]")
	// ErrNotCalled: a middleware returned nil without calling next, or called it with a context
	// that is not derived from its own, so the step has no result.
	ErrNotCalled = errors.New("middleware returned nil without calling next with its context, so the step has no result [LW206]")
	// ErrNotRunning: the pipeline is not running.
	ErrNotRunning = errors.New("the pipeline is not running [LW207]")
)

func (e *CommitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s not committed [LW209]", counted(len(e.Errs), "partition"))
	for _, tp := range slices.SortedFunc(maps.Keys(e.Errs), func(a, b TopicPartition) int { return strings.Compare(a.String(), b.String()) }) {
		fmt.Fprintf(&b, "; %v: %v", tp, e.Errs[tp])
	}
	return b.String()
}

// Unwrap returns the errors of the partitions.
func (e *CommitError) Unwrap() []error { return slices.Collect(maps.Values(e.Errs)) }
