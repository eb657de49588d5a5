package stream

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// Option tunes a whole pipeline.
type Option interface{ option(*options) }

// StepOrOption serves a step and a whole pipeline.
type StepOrOption interface {
	StepOption
	Option
}

type named string

func (n named) step(o *stepOptions)   { o.name, o.named = string(n), true }
func (n named) degree(o *stepOptions) { n.step(o) }
func (n named) option(o *options)     { o.name = string(n) }

// Named names a step or a pipeline: in logs, spans, metrics, errors and Describe. By default a step
// has the name of its function, a pipeline that of its source. Names of steps are unique in a
// chain.
func Named(name string) StepOrOption { return named(name) }

// everyStep tunes one step, or given to Build every step that calls something for each element.
type everyStep func(*stepOptions)

func (f everyStep) step(o *stepOptions)   { f(o) }
func (f everyStep) degree(o *stepOptions) { f(o) }
func (f everyStep) option(o *options)     { f(&o.every) }

// Timeout bounds each attempt of a step. The handler's context ends with it, and its cause says so.
// It ends no handler that does not heed its context: the event Overrunning tells of one. A retry
// gets the full time again. Given to Build it bounds every step that calls something, except those
// that have a Timeout of their own and Transform, which is not called for each element.
func Timeout(d time.Duration) StepOrOption {
	return everyStep(func(o *stepOptions) { o.timeout, o.hasTimeout = d, true })
}

// Use wraps the handler of a step, the first outermost. Given to Build it wraps every step that
// calls something, outside of the step's own middleware; Transform is not wrapped, as it is not
// called for each element.
func Use(middleware ...Middleware) StepOrOption {
	return everyStep(func(o *stepOptions) { o.use = append(o.use, middleware...) })
}

type options struct {
	name      string
	every     stepOptions // Timeout and Use for all steps
	observers []Observer
	observed  bool // Observe was given, maybe to say none
	limits
	replacement any
	ready       []func(Snapshot) error
	faults      []error
}

// known is what is wrong with the options.
func (o *options) known() []error {
	faults := slices.Clone(o.faults)
	for _, ob := range o.observers {
		if ob.Attach == nil && ob.Begin == nil && ob.StepStart == nil && ob.StepDone == nil && ob.Event == nil {
			faults = append(faults, &BuildError{"Observe", "an Observer has no func", "set Attach, Begin, StepStart, StepDone or Event"})
		}
	}
	return faults
}

type pipelineOption func(*options)

func (f pipelineOption) option(o *options) { f(o) }

// Observe tells observers what happens. Where nothing observes, failures go to slog.Default() at
// warn and error, thinned out where they repeat, and observation costs nothing; Observe() says that
// nothing is to be told at all.
func Observe(o ...Observer) Option {
	return pipelineOption(func(op *options) { op.observers, op.observed = append(op.observers, o...), true })
}

// MaxInFlight bounds the records in flight of each partition: those that were fetched and are not
// finished. Default 4,096. Where no resume state is stored (see Describe), and with KeepOrder,
// CommitBefore and CommitWith, it bounds the records between the watermark and the fetch position:
// a small value stalls such a partition behind one slow record sooner. A large one means more
// records to reprocess after a crash, and more memory: see MaxBytes too.
func MaxInFlight(n int) Option {
	return pipelineOption(func(o *options) {
		o.records = n
		if n < 1 {
			o.faults = append(o.faults, &BuildError{What: fmt.Sprintf("MaxInFlight(%d)", n), Fix: "n is at least 1; the default is 4,096 records of each partition"})
		}
	})
}

// MaxFinishedAhead bounds how far a partition is read above its watermark, in offsets: how many
// records may finish while one below is slow or halted. Default 1,000,000. They are not handled
// again, as the resume state that is stored with the watermark tells of them. With 0 no state is
// stored, and MaxInFlight bounds the records above the watermark.
func MaxFinishedAhead(n int64) Option {
	return pipelineOption(func(o *options) {
		o.ahead = n
		if n < 0 {
			o.faults = append(o.faults, &BuildError{What: "MaxFinishedAhead is negative", Fix: "with 0 no resume state is stored; the default is 1,000,000"})
		}
	})
}

// BuildID names the program, so that a record that halts its partition is not tried again by the
// same one: the halt outlives restarts and rebalances, until it is resumed or skipped. Another
// build tries the record again, once, since its code may be mended. The default is the revision of
// the version control that the program was built from, unless it had changes. Without either, and
// with an empty v, every assignment tries a halted record again. With CommitWith halts are not
// stored.
func BuildID(v string) Option {
	return pipelineOption(func(o *options) {
		o.build = resume.Build{}
		if v != "" {
			o.build = resume.BuildOf(v)
		}
	})
}

// revision is the default of BuildID.
func revision() (build resume.Build) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			build = resume.BuildOf(s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			return resume.Build{}
		}
	}
	return build
}

// MaxBytes bounds the payload of the records in flight, in bytes, for the whole pipeline. Its
// partitions share it evenly, and each may always hold one record. Default 64 MiB.
func MaxBytes(n int64) Option {
	return pipelineOption(func(o *options) {
		o.bytes = n
		if n < 1 {
			o.faults = append(o.faults, &BuildError{What: fmt.Sprintf("MaxBytes(%d)", n), Fix: "n is at least 1; the default is 64 MiB in all"})
		}
	})
}

// DrainTimeout bounds a drain (on shutdown, on revoke): what has begun may finish for so long, then
// handlers' contexts are cancelled and the rest stays uncommitted. Default 25 s, inside Kubernetes'
// 30. A revoke is bounded by the group's rebalance timeout too.
func DrainTimeout(d time.Duration) Option {
	return pipelineOption(func(o *options) {
		o.drain = d
		if d < 0 {
			o.faults = append(o.faults, &BuildError{What: "DrainTimeout is negative", Fix: "0 gives nothing time to finish; the default is 25 s"})
		}
	})
}

// MaxWaiting bounds how many waits hold no worker: retries, dead-letter writes, throttles and
// acknowledgements. Each costs a goroutine. Beyond it a wait holds its worker, so that an outage
// becomes backpressure. Default 1,024; with 0 every wait holds its worker.
func MaxWaiting(n int) Option {
	return pipelineOption(func(o *options) {
		o.maxWaiting = n
		if n < 0 {
			o.faults = append(o.faults, &BuildError{What: "MaxWaiting is negative", Fix: "with 0 every wait holds its worker; the default is 1,024"})
		}
	})
}

// ReplaceSource runs a chain on another source of the same element type, for tests: see streamtest.
func ReplaceSource[T any](open func() Source[T]) Option {
	return pipelineOption(func(o *options) { o.replacement = open })
}
