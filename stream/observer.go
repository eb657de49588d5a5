package stream

import "context"

// Observer hears what happens, in the manner of httptrace: a nil func costs nothing. The funcs are
// called in the worker, or in the goroutine that saw the event: keep them short, and do not call
// the pipeline's methods that change it (Resume, Skip) from them.
type Observer struct {
	// Attach is called by Build. The Observer that it returns is the pipeline's instead of this
	// one; an error is a reason not to build.
	Attach func(p *Pipeline) (Observer, error)
	// Begin is called before a source record's first step, and again when the record is worked on
	// again after a halt. Contexts of the record's handlers have the values of the context that it
	// returns, which must be ctx or made of it, until the record is settled. false: this observer's
	// StepStart and StepDone hear nothing of the record, but where it is in a batch; an observer
	// that looks at few records costs little for the others. OnSettled tells when the record is
	// settled.
	Begin func(ctx context.Context) (c context.Context, hear bool)
	// before each attempt; the handler gets the context that it returns
	StepStart func(ctx context.Context, c Call) context.Context
	StepDone  func(ctx context.Context, c Call, err error) // after each attempt
	Event     func(e Event)
	// TimeFailures has every Failure say how long its attempt took, also where no StepStart or
	// StepDone hears of it. Costs a reading of the clock per attempt.
	TimeFailures bool
}

// ear is what a run knows of the observer.
func (o Observer) ear() ear { return ear{o.Begin, o.StepStart, o.StepDone, o.Event, o.TimeFailures} }
