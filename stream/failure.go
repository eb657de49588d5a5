package stream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Failure is an element that a step could not process.
type Failure struct {
	Meta     Meta
	Step     string
	Attempts int
	// of the last attempt; 0 where nobody measured it: see Observer.TimeFailures
	Duration time.Duration
	Err      error
	Record   any // as it left the source
	Value    any // as the failing step received it
}

func (f Failure) String() string { return f.text(f.Meta.String()) }

// text says what failed, of which the caller has a name.
func (f Failure) text(which string) string {
	return fmt.Sprintf("%s: %s failed after %s: %v", f.Step, which, attempts(f.Attempts), f.Err)
}

func attempts(n int) string { return counted(n, "attempt") }

// counted is so many of what.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// StepError is a failure that no policy took, or that FailOnError did: it ended the pipeline. Match
// it with errors.As; it unwraps to the handler's error.
type StepError struct {
	Step      string
	Topic     string
	Partition int
	Offset    int64
	Attempts  int
	Committed bool // the step stands below CommitBefore: nobody reads the record again
	Err       error
}

func (e *StepError) Error() string {
	fate, policies := "the record is uncommitted and will be read again", "RetryOnError, SkipOnError, DeadLetterOnError or HaltOnError"
	if e.Committed {
		fate, policies = "the record was committed before and is lost", "RetryOnError, SkipOnError or DeadLetterOnError"
	}
	return fmt.Sprintf("%s: %v@%d failed after %s: %v; the pipeline has ended, %s: mend the cause, or choose %s below the step",
		e.Step, TopicPartition{e.Topic, e.Partition}, e.Offset, attempts(e.Attempts), e.Err, fate, policies)
}

func (e *StepError) Unwrap() error { return e.Err }

// PanicError is a panic of a handler, caught: the element fails at that step. Match it with
// errors.As.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func isPanic(err error) bool {
	_, is := errors.AsType[*PanicError](err)
	return is
}

// PartialError says which elements of a batch failed, by their index; the others are done, and pass
// on. A Sink returns it, or the handler of a batch that passes its input on (Serial, Concurrent);
// from one with a result (Map…) it fails the whole batch, as there is no result for the others. A
// retry then runs on the failed ones alone.
type PartialError struct{ Errs map[int]error }

func (e *PartialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the batch failed", len(e.Errs))
	for n, i := range slices.Sorted(maps.Keys(e.Errs)) {
		if n == 3 {
			b.WriteString("; …")
			break
		}
		fmt.Fprintf(&b, "; [%d] %v", i, e.Errs[i])
	}
	return b.String()
}

// Unwrap returns the errors of the elements, in their order.
func (e *PartialError) Unwrap() []error {
	var errs []error
	for _, i := range slices.Sorted(maps.Keys(e.Errs)) {
		errs = append(errs, e.Errs[i])
	}
	return errs
}

// failedOf returns the indices of n elements that err names, in order; nil if it does not say,
// names none or all of them.
func failedOf(err error, n int) []int {
	var p *PartialError
	if !errors.As(err, &p) {
		return nil
	}
	var bad []int
	for _, i := range slices.Sorted(maps.Keys(p.Errs)) {
		if i >= 0 && i < n && p.Errs[i] != nil {
			bad = append(bad, i)
		}
	}
	if len(bad) == n {
		return nil
	}
	return bad
}

// Permanent marks an error that no retry can mend: RetryOnError leaves it to the next policy.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// IsPermanent reports whether an error was marked by Permanent.
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
	// ErrStale: the halt that was to be resumed or skipped is not the one that is there now.
	ErrStale = errors.New("stale halt: the partition is not halted at that offset and epoch any more; read Halts again")
	// ErrSeveral: the halt that was to be skipped speaks for several records, any of which may be
	// the cause: say with SkipRange which of them to give up.
	ErrSeveral = errors.New("the halt speaks for several records")
	// ErrDrain: a drain ended before everything that had begun was finished and committed. The
	// error that wraps it names what was left.
	ErrDrain = errors.New("drain ended too soon")
	// ErrNotCalled: a middleware returned nil without calling next, so that the step has no result.
	ErrNotCalled = errors.New("a middleware returned without an error and did not call next, or not with its own context: there is no result")
	// ErrNotRunning: the pipeline is not running.
	ErrNotRunning = errors.New("the pipeline is not running")
)

func (e *CommitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d partitions were not committed", len(e.Errs))
	for _, tp := range slices.SortedFunc(maps.Keys(e.Errs), func(a, b TopicPartition) int { return strings.Compare(a.String(), b.String()) }) {
		fmt.Fprintf(&b, "; %v: %v", tp, e.Errs[tp])
	}
	return b.String()
}

// Unwrap returns the errors of the partitions.
func (e *CommitError) Unwrap() []error { return slices.Collect(maps.Values(e.Errs)) }
