package backoff

import (
	"context"
	"time"
)

// Outlasting returns a context that ends some time after ctx. It is for a request whose answer says
// what has to be cleared up.
func Outlasting(ctx context.Context, by time.Duration) (context.Context, func()) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() { Pause(lasting, by); cancel() })
	return lasting, func() { forget(); cancel() }
}
