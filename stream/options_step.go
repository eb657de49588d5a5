package stream

import "time"

// StepOption tunes one step.
type StepOption interface {
	DegreeOption
	step(*stepOptions)
}

// DegreeOption tunes a word that sets a degree: Serial, MapSerial, Concurrent, MapConcurrent, and
// CommitWith. Every StepOption is one.
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
	clone         any // see Clone; nil: none
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

// Invalid makes Build refuse the step. Use it in an operator of your own that got invalid
// arguments, to say what is wrong and how to fix it.
func Invalid(what, fix string) StepOption {
	return stepOption(func(o *stepOptions) {
		o.refused = append(o.refused, &BuildError{Code: faultOperator, What: what, Fix: fix})
	})
}

// MaxPartitions limits a degree word to n partitions at a time, in turn. A partition keeps its turn
// until it has nothing ready or, if others wait, for 1,000 records. Default: all partitions.
func MaxPartitions(n int) DegreeOption {
	return degreeOption(func(o *stepOptions) { o.maxPartitions, o.hasMax = n, true })
}

// Bisect makes a step find the elements that fail its batch, if its error does not name them. Once
// the attempts are used up, the step is called with halves of the batch, and with halves of those
// that fail, until the culprits stand alone. The policies below act on those alone. Use it on a
// step directly below a Batch, whose function can be called with any part of a batch, and again
// with elements that it has seen: up to log₂ n + 2 times for a good element of n, attempts at the
// whole batch counted as one. If the function cannot handle parts, see ops.OneByOne.
//
// Each part gets one attempt, from first to last. Where order is kept, a part waits until the
// policies have decided about everything before it. A part that succeeds is passed on as a batch of
// its own. An error of the whole (IsWhole) ends the search, and the rest is one batch again, with
// all its attempts. After 4·log₂ n + 8 calls the policies decide about the rest as one. A
// *PartialError that names its elements needs no search in a step that passes its input on.
//
// If no order is kept and all parts fail alike, no element is the culprit, and the policies act on
// all. Where order is kept, the first element looks like the culprit then, since none behind it may
// be tried before it: mark errors of the whole with Whole.
func Bisect() StepOption { return stepOption(func(o *stepOptions) { o.bisect = true }) }

// KeepOrder makes an ungrouped Concurrent or MapConcurrent pass its results on in the order of its
// input, per partition. Early results wait without a worker; MaxInFlight bounds how many.
func KeepOrder() DegreeOption { return degreeOption(func(o *stepOptions) { o.keepOrder = true }) }
