package streamtest

import (
	"context"
	"sync/atomic"

	"github.com/laneway-go/laneway/stream"
)

// CrashAt returns the option that crashes the member at the n-th call of a step: see Crash. Retries
// count as calls. The call has its effect, and nothing of it is committed, which is the worst
// moment. From then on Run ends with ErrCrashed or with ctx, and no longer with the log. others are
// the members that read the other sources of a Merge: they are one process, and crash together.
func (m *Member[T]) CrashAt(step string, n int, others ...Crasher) stream.Option {
	all := append([]Crasher{m}, others...)
	for _, c := range all {
		c.doom()
	}
	var calls atomic.Int64
	return stream.Use(func(next stream.Handler) stream.Handler {
		return func(ctx context.Context, call stream.Call) error {
			err := next(ctx, call)
			if call.Step() != step || calls.Add(1) != int64(n) {
				return err
			}
			for _, c := range all {
				c.Crash()
			}
			<-ctx.Done() // the members lose their partitions
			return ErrCrashed
		}
	})
}

// Crasher is a Member of any element type.
type Crasher interface {
	Crash()
	doom()
}

// doom says that the member will crash.
func (m *Member[T]) doom() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doomed = true
}
