package ops

import (
	"context"

	"github.com/laneway-go/laneway/stream"
)

// Limit lets at most n calls run at once, over all steps and pipelines that use the same Limit. A
// waiting call keeps its worker, so a degree above n gains nothing. When its context ends, it gives
// up with the context's cause. If n is below 1, Limit returns nil, which Build refuses.
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
