package stream

import (
	"context"
	"time"
)

// Middleware wraps the handler of a step, as net/http middleware wraps a handler. It may return
// before calling next (the element then fails with its error; returning nil without calling next
// fails it too, with ErrNotCalled, since there is no result).
type Middleware func(next Handler) Handler

// Handler is one call of a step, its types hidden: middleware sees the step's name, the record's
// lineage and the error.
type Handler func(ctx context.Context, call Call) error

// Call is what middleware and observers see of an attempt. It is valid until the handler has
// returned.
type Call interface {
	Step() string
	Meta() Meta // for a batch, its first element's; MetasOf(ctx) has all
	Attempt() int
	// how many source records the element stands for: 1, or what is in the batch
	Records() int
	Batch() bool             // whether it is a batch, or what a sink writes at once
	Duration() time.Duration // how long the attempt took, in an Observer's StepDone; 0 before
}
