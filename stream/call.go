package stream

import (
	"context"
	"time"
)

// Middleware wraps the handler of a step, as net/http middleware wraps a handler. If it returns an
// error without calling next, the element fails with that error. If it returns nil without calling
// next, the element fails with ErrNotCalled, since the step has no result.
type Middleware func(next Handler) Handler

// Handler is one call of a step, without its types. Middleware sees the name of the step, the
// lineage of the record and the error.
type Handler func(ctx context.Context, call Call) error

// Call is what middleware and observers see of an attempt. It is valid until the handler has
// returned.
type Call interface {
	Step() string
	Meta() Meta // of the first element of a batch; MetasOf(ctx) returns all
	Attempt() int
	// the number of source records of the element: 1, or those of its batch
	Records() int
	Batch() bool             // whether it is a batch, or one Write of a sink
	Duration() time.Duration // of the attempt, in an Observer's StepDone; 0 before
}
