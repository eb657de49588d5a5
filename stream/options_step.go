package stream

import "time"

// StepOption tunes one step.
type StepOption interface {
	DegreeOption
	step(*stepOptions)
}

// DegreeOption tunes a word that sets a degree: Serial, Concurrent, and CommitWith. Every
// StepOption is one.
type DegreeOption interface{ degree(*stepOptions) }

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

// Invalid has Build refuse the step: it is how an operator of your own says that it was given wrong
// arguments, what is wrong and what to do.
func Invalid(what, do string) StepOption {
	return stepOption(func(o *stepOptions) { o.refused = append(o.refused, &BuildError{What: what, Fix: do}) })
}

// MaxPartitions lets a degree word work on at most n partitions at a time, in turn: a partition
// keeps its turn until it has nothing ready, or for 1,000 records while others wait.
func MaxPartitions(n int) DegreeOption {
	return degreeOption(func(o *stepOptions) { o.maxPartitions, o.hasMax = n, true })
}

// KeepOrder lets an ungrouped Concurrent step pass its results on in the order of its input, per
// partition. Results that are early wait without a worker; how many is bounded by MaxInFlight.
func KeepOrder() DegreeOption { return degreeOption(func(o *stepOptions) { o.keepOrder = true }) }
