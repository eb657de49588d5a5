package demo

import (
	"context"
	"sync"
	"time"
)

// Meeting lets handlers wait for each other, so that records which may run side by side do, on any
// machine.
type Meeting struct {
	once sync.Once
	left chan int      // how many are awaited
	all  chan struct{} // closed when all have arrived
}

// Await blocks the first n callers until all of them have arrived, for at most two seconds. Later
// callers pass.
func (m *Meeting) Await(ctx context.Context, n int) error {
	m.once.Do(func() {
		m.left, m.all = make(chan int, 1), make(chan struct{})
		m.left <- n
	})
	left := <-m.left
	if left == 1 {
		close(m.all)
	}
	m.left <- left - 1
	if left < 1 {
		return nil
	}
	patience := time.NewTimer(2 * time.Second)
	defer patience.Stop()
	select {
	case <-m.all:
	case <-patience.C: // the check will fail
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
