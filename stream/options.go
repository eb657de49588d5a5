package stream

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// StepOption tunes one step.
type StepOption interface {
	DegreeOption
	step(*stepOptions)
}

// DegreeOption tunes a word that sets a degree: Serial, Concurrent, and CommitWith. Every StepOption is one.
type DegreeOption interface{ degree(*stepOptions) }

// Option tunes a whole pipeline.
type Option interface{ option(*options) }

// StepOrOption serves a step and a whole pipeline.
type StepOrOption interface {
	StepOption
	Option
}

type stepOptions struct {
	name          string
	named         bool
	timeout       time.Duration
	hasTimeout    bool
	use           []Middleware
	maxPartitions int
	hasMax        bool
	keepOrder     bool
	hasNil        bool
	refused       []*BuildError
}

func stepOpts(opts []StepOption) (o stepOptions) {
	for _, opt := range opts {
		if opt == nil {
			o.hasNil = true
			continue
		}
		opt.step(&o)
	}
	return o
}

func degreeOpts(opts []DegreeOption) (o stepOptions) {
	for _, opt := range opts {
		if opt == nil {
			o.hasNil = true
			continue
		}
		opt.degree(&o)
	}
	return o
}

type stepOption func(*stepOptions)

func (f stepOption) step(o *stepOptions)   { f(o) }
func (f stepOption) degree(o *stepOptions) { f(o) }

// everyStep tunes one step, or given to Build every step that calls something for each element.
type everyStep func(*stepOptions)

func (f everyStep) step(o *stepOptions)   { f(o) }
func (f everyStep) degree(o *stepOptions) { f(o) }
func (f everyStep) option(o *options)     { f(&o.every) }

type degreeOption func(*stepOptions)

func (f degreeOption) degree(o *stepOptions) { f(o) }

type named string

func (n named) step(o *stepOptions)   { o.name, o.named = string(n), true }
func (n named) degree(o *stepOptions) { n.step(o) }
func (n named) option(o *options)     { o.name = string(n) }

// Named names a step or a pipeline: in logs, spans, metrics, errors and Describe. By default a step has the name of its function, a pipeline that of
// its source. Names of steps are unique in a chain.
func Named(name string) StepOrOption { return named(name) }

// Timeout bounds each attempt of a step. The handler's context ends with it, and its cause says so.
// A retry gets the full time again. Given to Build it bounds every step that calls something, except
// those that have a Timeout of their own and Transform, which is not called for each element.
func Timeout(d time.Duration) StepOrOption {
	return everyStep(func(o *stepOptions) { o.timeout, o.hasTimeout = d, true })
}

// Use wraps the handler of a step, the first outermost. Given to Build it wraps every step that calls
// something, outside of the step's own middleware; Transform is not wrapped, as it is not called for
// each element.
func Use(middleware ...Middleware) StepOrOption {
	return everyStep(func(o *stepOptions) { o.use = append(o.use, middleware...) })
}

// Invalid has Build refuse the step: it is how an operator of your own says that it was given wrong arguments, what is wrong and what to do.
func Invalid(what, do string) StepOption {
	return stepOption(func(o *stepOptions) { o.refused = append(o.refused, &BuildError{What: what, Fix: do}) })
}

// MaxPartitions lets a degree word work on at most n partitions at a time, in turn: a partition keeps its turn until it has nothing ready, or for
// 1,000 records while others wait.
func MaxPartitions(n int) DegreeOption {
	return degreeOption(func(o *stepOptions) { o.maxPartitions, o.hasMax = n, true })
}

// KeepOrder lets an ungrouped Concurrent step pass its results on in the order of its input, per partition. Results that are early wait without a
// worker; how many is bounded by MaxInFlight.
func KeepOrder() DegreeOption { return degreeOption(func(o *stepOptions) { o.keepOrder = true }) }

// Middleware wraps the handler of a step, as net/http middleware wraps a handler. It may return before calling next (the element then fails with its
// error; returning nil without calling next fails it too, with ErrNotCalled, since there is no result).
type Middleware func(next Handler) Handler

// Handler is one call of a step, its types hidden: middleware sees the step's name, the record's lineage and the error.
type Handler func(ctx context.Context, call Call) error

// Call is what middleware and observers see of an attempt. It is valid until the handler has returned.
type Call interface {
	Step() string
	Meta() Meta // for a batch, its first element's; MetasOf(ctx) has all
	Attempt() int
	Records() int            // how many source records the element stands for: 1, or what is in the batch
	Batch() bool             // whether it is a batch, or what a sink writes at once
	Duration() time.Duration // how long the attempt took, in an Observer's StepDone; 0 before
}

type options struct {
	name        string
	every       stepOptions // Timeout and Use for all steps
	observers   []Observer
	records     int
	bytes       int64
	drain       time.Duration
	maxWaiting  int
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

// Observe tells observers what happens. Without one, observation costs nothing.
func Observe(o ...Observer) Option {
	return pipelineOption(func(op *options) { op.observers = append(op.observers, o...) })
}

// MaxInFlight bounds the records in flight of each partition: those between the watermark and the
// fetch position. Default 4,096. A small value stalls a partition behind one slow record sooner. A
// large one means more records to reprocess after a crash, and more memory: see MaxBytes too.
func MaxInFlight(n int) Option {
	return pipelineOption(func(o *options) {
		o.records = n
		if n < 1 {
			o.faults = append(o.faults, &BuildError{What: fmt.Sprintf("MaxInFlight(%d)", n), Fix: "n is at least 1; the default is 4,096 records of each partition"})
		}
	})
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

// DrainTimeout bounds a drain (on shutdown, on revoke): what has begun may finish for so long, then handlers' contexts are cancelled and the rest stays
// uncommitted. Default 25 s, inside Kubernetes' 30. A revoke is bounded by the group's rebalance timeout too.
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
