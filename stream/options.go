package stream

import (
	"context"
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

type degreeOption func(*stepOptions)

func (f degreeOption) degree(o *stepOptions) { f(o) }

type named string

func (n named) step(o *stepOptions)   { o.name, o.named = string(n), true }
func (n named) degree(o *stepOptions) { n.step(o) }
func (n named) option(o *options)     { o.name = string(n) }

// Named names a step or a pipeline: in logs, spans, metrics, errors and Describe. By default a step has the name of its function, a pipeline that of
// its source. Names of steps are unique in a chain.
func Named(name string) StepOrOption { return named(name) }

// Timeout bounds each attempt of a step: the handler's context ends with it, its cause says so. Retries get the full time again.
// It ends no handler that does not heed its context: the event Overrunning tells of one.
func Timeout(d time.Duration) StepOption {
	return stepOption(func(o *stepOptions) { o.timeout, o.hasTimeout = d, true })
}

// Use wraps the handler of a step, the first outermost.
func Use(middleware ...Middleware) StepOption {
	return stepOption(func(o *stepOptions) { o.use = append(o.use, middleware...) })
}

// Refuse has Build refuse the step: it is how an operator of your own says that it was given wrong arguments, what is wrong and what to do.
func Refuse(what, do string) StepOption {
	return stepOption(func(o *stepOptions) { o.refused = append(o.refused, &BuildError{What: what, Do: do}) })
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
	Records() int        // how many source records the element stands for: 1, or what is in the batch
	Batch() bool         // whether it is a batch, or what a sink writes at once
	Took() time.Duration // how long the attempt took, in an Observer's StepDone; 0 before
}

type options struct {
	name        string
	observers   []Observer
	records     int
	bytes       int64
	drain       time.Duration
	park        int
	replacement any
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

// MaxInFlight bounds what is between the watermark and the fetch position: records per partition, and payload bytes for the whole pipeline, shared
// evenly by its partitions. Every partition may always hold one record. Default 4,096 and 64 MiB. Small values stall a partition behind one slow
// record sooner; large ones are read again after a crash, and cost memory.
func MaxInFlight(records int, bytes int64) Option {
	return pipelineOption(func(o *options) {
		o.records, o.bytes = records, bytes
		if records < 1 || bytes < 1 {
			o.faults = append(o.faults, &BuildError{What: "MaxInFlight needs at least 1 record and 1 byte", Do: "leave the option out for 4,096 records and 64 MiB"})
		}
	})
}

// DrainTimeout bounds a drain (on shutdown, on revoke): what has begun may finish for so long, then handlers' contexts are cancelled and the rest stays
// uncommitted. Default 25 s, inside Kubernetes' 30. A revoke is bounded by the group's rebalance timeout too.
func DrainTimeout(d time.Duration) Option {
	return pipelineOption(func(o *options) {
		o.drain = d
		if d < 0 {
			o.faults = append(o.faults, &BuildError{What: "DrainTimeout is negative", Do: "0 gives nothing time to finish; the default is 25 s"})
		}
	})
}

// ParkLimit is how many waits (retries, dead-letter writes, throttles, acknowledgements) may lend their worker's slot at a time; beyond it a wait holds its
// worker, so that an outage becomes backpressure. Each costs a goroutine. Default 1,024; 0 lends none.
func ParkLimit(n int) Option {
	return pipelineOption(func(o *options) {
		o.park = n
		if n < 0 {
			o.faults = append(o.faults, &BuildError{What: "ParkLimit is negative", Do: "0 lends no slot; the default is 1,024"})
		}
	})
}

// ReplaceSource runs a chain on another source of the same element type, for tests: see streamtest.
func ReplaceSource[T any](open func() Source[T]) Option {
	return pipelineOption(func(o *options) { o.replacement = open })
}
