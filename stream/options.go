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

// StepOrOption is an option of a step or of a whole pipeline.
type StepOrOption interface {
	StepOption
	Option
}

type named string

func (n named) step(o *stepOptions)   { o.name, o.named = string(n), true }
func (n named) degree(o *stepOptions) { n.step(o) }
func (n named) option(o *options)     { o.name = string(n) }

// Named names a step or a pipeline in logs, spans, metrics, errors and Describe. By default a step
// has the name of its function, and a pipeline that of its source. Names of steps must be unique
// within a chain.
func Named(name string) StepOrOption { return named(name) }

// everyStep tunes one step. As an option of Build it tunes every step that is called once per
// element.
type everyStep func(*stepOptions)

func (f everyStep) step(o *stepOptions)   { f(o) }
func (f everyStep) degree(o *stepOptions) { f(o) }
func (f everyStep) option(o *options)     { f(&o.every) }

// Timeout limits each attempt of a step. The handler's context ends after d, with a cause that says
// so. A handler that ignores its context keeps running: the event Overrunning reports it. A retry
// gets the full time again. As an option of Build it applies to every step that calls something and
// has no Timeout of its own, except Transform, which is not called once per element. Default: none.
func Timeout(d time.Duration) StepOrOption {
	return everyStep(func(o *stepOptions) { o.timeout, o.hasTimeout = d, true })
}

// Use wraps the handler of a step in middleware, the first one outermost. As an option of Build it
// wraps every step that calls something, outside the step's own middleware. Transform is not
// wrapped, as it is not called once per element.
func Use(middleware ...Middleware) StepOrOption {
	return everyStep(func(o *stepOptions) { o.use = append(o.use, middleware...) })
}

type options struct {
	name      string
	every     stepOptions // Timeout and Use for all steps
	observers []Observer
	observed  bool // Observe was called, maybe with no observer
	limits
	replaced []replacement
	ready    []func(Snapshot) error
	faults   []error
}

// known returns the faults of the options.
func (o *options) known() []error {
	faults := slices.Clone(o.faults)
	for _, ob := range o.observers {
		if ob.Attach == nil && ob.Begin == nil && ob.StepStart == nil && ob.StepDone == nil && ob.Event == nil {
			faults = append(faults, &BuildError{"Observe", "an Observer has no func", "set one of Attach, Begin, StepStart, StepDone or Event", faultNil})
		}
	}
	return faults
}

type pipelineOption func(*options)

func (f pipelineOption) option(o *options) { f(o) }

// Observe passes what happens to observers. By default failures are logged to slog.Default() at
// warn and error, repeated lines are dropped, and observation costs nothing. Observe() without an
// observer turns that log off.
func Observe(o ...Observer) Option {
	return pipelineOption(func(op *options) { op.observers, op.observed = append(op.observers, o...), true })
}

// MaxInFlight limits the records in flight in each partition: those fetched and not finished.
// Default 4,096. Where no resume state is stored (see Describe), and with KeepOrder, CommitBefore
// and CommitWith, it limits the records between the watermark and the fetch position: there, a
// small value lets one slow record stall its partition sooner. A large value means more records to
// reprocess after a crash, and more memory: see MaxBytes too.
func MaxInFlight(n int) Option {
	return pipelineOption(func(o *options) {
		o.records = n
		if n < 1 {
			o.faults = append(o.faults, &BuildError{Code: faultRange, What: fmt.Sprintf("MaxInFlight(%d)", n), Fix: "n is at least 1; the default is 4,096 records per partition"})
		}
	})
}

// MaxFinishedAhead limits how far a partition is read above its watermark, in offsets. So it limits
// how many records may finish while one below them is slow or halted. Default 1,000,000. The resume
// state lists these records, so they are not processed again. With 0 no resume state is stored, and
// MaxInFlight limits the records above the watermark.
func MaxFinishedAhead(n int64) Option {
	return pipelineOption(func(o *options) {
		o.ahead = n
		if n < 0 {
			o.faults = append(o.faults, &BuildError{Code: faultRange, What: "MaxFinishedAhead is negative", Fix: "with 0 no resume state is stored; the default is 1,000,000"})
		}
	})
}

// BuildID identifies the build of the program, for halts that outlive restarts and rebalances: a
// record that halted its partition stays halted until it is resumed or skipped. Only another build
// retries it, once, since its code may be fixed. Default: the revision in version control that the
// program was built from, unless there were local changes. With an empty v, or without a revision,
// every assignment retries a halted record. With CommitWith the Transactor stores the halts of the
// steps above, if it can; a halt of the transaction itself is not stored.
func BuildID(v string) Option {
	return pipelineOption(func(o *options) {
		o.build = resume.Build{}
		if v != "" {
			o.build = resume.BuildOf(v)
		}
	})
}

// revision returns the default of BuildID.
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

// MaxBytes limits the payload of all records in flight in the pipeline, in bytes. Partitions share
// it evenly, so a stalled one takes nothing from the others. A share is at least 1 MiB: with more
// than MaxBytes ÷ 1 MiB partitions the limit is 1 MiB for each. A partition may always hold one
// record. Records that were fetched together count until the last of them has finished, but what is
// parked or halted counts alone. The share of an exhausted source goes to the others as its records
// finish. Default 64 MiB.
func MaxBytes(n int64) Option {
	return pipelineOption(func(o *options) {
		o.bytes = n
		if n < leastBytes {
			o.faults = append(o.faults, &BuildError{Code: faultRange, What: fmt.Sprintf("MaxBytes(%d) is less than the 1 MiB that each partition may hold", n), Fix: "give 1 MiB for each partition; the default is 64 MiB in total"})
		}
	})
}

// DrainTimeout limits a drain, on shutdown and on revoke. Started records may finish within d. Then
// the contexts of handlers are cancelled, and the rest stays uncommitted. Default 25 s, which fits
// into the 30 s of Kubernetes. A revoke is also limited by the group's rebalance timeout.
func DrainTimeout(d time.Duration) Option {
	return pipelineOption(func(o *options) {
		o.drain = d
		if d < 0 {
			o.faults = append(o.faults, &BuildError{Code: faultRange, What: "DrainTimeout is negative", Fix: "0 gives nothing time to finish; the default is 25 s"})
		}
	})
}

// MaxWaiting limits how many waits hold no worker: retries, dead-letter writes, throttles and
// acknowledgements. Each costs a goroutine. Beyond the limit a wait keeps its worker, so that an
// outage becomes backpressure, until an element whose wait is over needs it. Waits for a rate
// (Throttle, SetRate) take half of it at most, so that a low rate leaves the rest to retries.
// Default 1,024. With 0 every wait keeps its worker.
func MaxWaiting(n int) Option {
	return pipelineOption(func(o *options) {
		o.maxWaiting = n
		if n < 0 {
			o.faults = append(o.faults, &BuildError{Code: faultRange, What: "MaxWaiting is negative", Fix: "with 0 every wait keeps its worker; the default is 1,024"})
		}
	})
}

// ReplaceSource runs a chain with another source of the same element type, for tests: see
// streamtest.
func ReplaceSource[T any](open func() Source[T]) Option { return ReplaceSourceOf("", open) }

// ReplaceSourceOf is ReplaceSource for the source of a Merge that has the name: see As.
func ReplaceSourceOf[T any](name string, open func() Source[T]) Option {
	return pipelineOption(func(o *options) { o.replaced = append(o.replaced, replacement{name, open}) })
}
