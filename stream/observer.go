package stream

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Observer is a set of hooks, in the manner of httptrace: a nil func costs nothing. The funcs run
// in the worker, or in the goroutine where the event happens. Keep them short, and do not call
// Resume or Skip from them. Do not wait in them for the pipeline either, such as for the end of a
// halt or a drain: neither ends before the worker that calls has put its record down. A panic of
// one ends the pipeline.
type Observer struct {
	// Attach is called by Build. The Observer it returns replaces this one in the pipeline. Its
	// error makes Build fail.
	Attach func(p *Pipeline) (Observer, error)
	// Begin is called before the first step of a source record, and again if a halt ends and the
	// record is processed again. It returns ctx, or a context made from it; the contexts of the
	// record's handlers have its values until the record is settled (see OnSettled). With hear
	// false, StepStart and StepDone of this observer skip the record unless it is in a batch. An
	// observer that samples few records costs little for the others.
	Begin func(ctx context.Context) (c context.Context, hear bool)
	// Awake switches Begin on and off, at any time; nil: it is always on. While it is false, Begin is
	// not called, as if it had returned hear false. An observer that measures only while somebody
	// looks costs about a nanosecond per record otherwise.
	Awake *atomic.Bool
	// StepStart is called before each attempt. The handler gets the context it returns.
	StepStart func(ctx context.Context, c Call) context.Context
	// StepDone is called after each attempt.
	StepDone func(ctx context.Context, c Call, err error)
	// Event is called for each event.
	Event func(e Event)
	// TimeFailures sets Failure.Duration even for attempts that no StepStart or StepDone hears of.
	// Costs reading the clock once more per attempt.
	TimeFailures bool
}

// hooks is the part of the observer that a run knows.
func (o Observer) hooks() hooks {
	return hooks{o.Begin, o.Awake, o.StepStart, o.StepDone, o.Event, o.TimeFailures}
}

// attached returns the observer that takes the place of o in a pipeline.
func (o Observer) attached(p *Pipeline) (mine Observer, err error) {
	if o.Attach == nil {
		return o, nil
	}
	if err := guarded(func() (e error) { mine, e = o.Attach(p); return e }); err != nil {
		return mine, fmt.Errorf("an observer refuses to attach: %w", err)
	}
	return mine, nil
}
