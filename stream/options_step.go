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
	bisect        bool
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

// Bisect has a step find what is wrong with a batch that it fails on without saying: once the
// attempts are used up, it is called with halves, and with halves of those that fail, until the
// culprits stand alone, and the policies below act on these alone. It is for a step right below a
// Batch, whose function can be called with any part of a batch, and again with what it has seen: a
// good element of n is seen up to log₂ n + 2 times, attempts at the whole batch counted as one.
// Where halves make no sense, see ops.OneByOne.
//
// Parts get one attempt each, from first to last. Where order is kept, none is tried before what is
// ahead of it is decided about. What succeeds is passed on as a batch of its own. An error of the
// whole (IsWhole) ends the search, and what is left is one batch again, with all its attempts.
// After 4·log₂ n + 8 calls, too, what is left is decided about as one. A *PartialError that names
// its elements needs no search in a step that passes its input on.
func Bisect() StepOption { return stepOption(func(o *stepOptions) { o.bisect = true }) }

// KeepOrder lets an ungrouped Concurrent step pass its results on in the order of its input, per
// partition. Results that are early wait without a worker; how many is bounded by MaxInFlight.
func KeepOrder() DegreeOption { return degreeOption(func(o *stepOptions) { o.keepOrder = true }) }
