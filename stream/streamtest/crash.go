package streamtest

import (
	"context"
	"sync/atomic"

	"github.com/laneway-go/laneway/stream"
)

// CrashAt returns the option that crashes the member at the n-th call of a step: see Crash. Retries
// count as calls. The call has its effect, and nothing of it is committed, which is the worst
// moment. From then on Run ends with ErrCrashed or with ctx, and no longer with the log.
func (m *Member[T]) CrashAt(step string, n int) stream.Option {
	m.mu.Lock()
	m.doomed = true
	m.mu.Unlock()
	var calls atomic.Int64
	return stream.Use(func(next stream.Handler) stream.Handler {
		return func(ctx context.Context, call stream.Call) error {
			err := next(ctx, call)
			if call.Step() != step || calls.Add(1) != int64(n) {
				return err
			}
			m.Crash()
			<-ctx.Done() // the member loses its partitions
			return ErrCrashed
		}
	})
}
