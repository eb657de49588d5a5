package ops

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Limit lets at most n calls run at a time, over every step that is given the same Limit, in
// whatever pipeline. A call that waits keeps its worker, so a degree above n buys nothing; it gives
// up with the cause when its context ends. With n below 1 it is nil, which Build refuses.
func Limit(n int) stream.Middleware {
	if n < 1 {
		return nil
	}
	slots := make(chan struct{}, n) // never closed
	return func(next stream.Handler) stream.Handler {
		return func(ctx context.Context, call stream.Call) error {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			defer func() { <-slots }()
			return next(ctx, call)
		}
	}
}
