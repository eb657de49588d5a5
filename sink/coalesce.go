package sink

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/absent"
	"github.com/laneway-go/laneway/stream"
)

// Coalesce joins writes of several partitions into larger ones, for a sink where each write is
// expensive. It writes once n elements are waiting, or once wait has passed since the first of
// them.
//
// Each partition keeps its order. A *PartialError of the inner sink goes to the writes whose
// elements it names. After any other error each of the joined writes is made again by itself, so
// that one bad element fails no write of another partition; an error of the whole (stream.IsWhole)
// fails all of them. The context of the inner write ends once the contexts of all joined writes
// have ended.
//
// wait must be above 0 and delays every element, so keep it short: a partition starts no other
// write until its own has returned. Coalesce copies each element and starts no goroutine.
func Coalesce[T any](to stream.Sink[T], n int, wait time.Duration) stream.Sink[T] {
	if absent.Is(to) {
		return nil
	}
	return &coalesced[T]{to: to, n: n, wait: wait}
}

type coalesced[T any] struct {
	to   stream.Sink[T]
	n    int
	wait time.Duration

	// mu guards open, its elems, and live. No user code runs under it.
	mu   sync.Mutex
	open *joined[T] // nil: the next write opens one
}

// joined is one write of the inner sink. The caller that opened it performs it, the others wait.
type joined[T any] struct {
	elems  []stream.Out[T]
	full   chan struct{} // closed by the write that completes it
	done   chan struct{} // closed when the inner write has returned
	ctx    context.Context
	cancel context.CancelFunc
	writes int   // joined ones; constant from the inner write on
	live   int   // joined writes whose context is still alive; guarded by coalesced.mu
	err    error // written before done is closed
}

func (c *coalesced[T]) Write(ctx context.Context, elems []stream.Out[T]) error {
	j, from, first := c.join(ctx, elems)
	defer context.AfterFunc(ctx, func() { c.leave(j) })()
	if first {
		c.gather(ctx, j)
		c.write(j)
	}
	// Returning before the joined write is done would let the partition write twice at once.
	<-j.done
	var partial *stream.PartialError
	if j.writes > 1 && j.err != nil && !errors.As(j.err, &partial) && !stream.IsWhole(j.err) {
		return c.once(ctx, elems)
	}
	return j.part(from, len(elems))
}

// join adds elements to the open write and returns the index of the first of them.
func (c *coalesced[T]) join(ctx context.Context, elems []stream.Out[T]) (j *joined[T], from int, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j = c.open
	if first = j == nil; first {
		j = &joined[T]{full: make(chan struct{}), done: make(chan struct{})}
		j.ctx, j.cancel = context.WithCancel(context.WithoutCancel(ctx))
		c.open = j
	}
	j.live++
	j.writes++
	from = len(j.elems)
	j.elems = append(j.elems, elems...)
	if len(j.elems) >= c.n {
		c.open = nil
		close(j.full)
	}
	return j, from, first
}

// gather waits until the write is full or due, then closes it to others.
func (c *coalesced[T]) gather(ctx context.Context, j *joined[T]) {
	due := time.NewTimer(c.wait)
	defer due.Stop()
	select {
	case <-j.full:
	case <-due.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == j {
		c.open = nil
	}
}

// write performs the joined write.
func (c *coalesced[T]) write(j *joined[T]) {
	defer close(j.done)
	defer j.cancel()
	j.err = c.once(j.ctx, j.elems)
}

// once performs a write of the inner sink, whose panic is an error.
func (c *coalesced[T]) once(ctx context.Context, elems []stream.Out[T]) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = &stream.PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	err = c.to.Write(ctx, elems)
	returned = true
	return err
}

// leave notes that the context of a joined write has ended. After the last one it cancels the inner
// write and closes it to others.
func (c *coalesced[T]) leave(j *joined[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if j.live--; j.live > 0 {
		return
	}
	if c.open == j {
		c.open = nil
	}
	j.cancel()
}

// part returns what the error of the whole write means for n elements from index from on. An error
// that names no element fails all of them.
func (j *joined[T]) part(from, n int) error {
	var partial *stream.PartialError
	if !errors.As(j.err, &partial) {
		return j.err
	}
	named := false
	errs := map[int]error{}
	for i, e := range partial.Errs {
		if e == nil || i < 0 || i >= len(j.elems) {
			continue
		}
		named = true
		if i >= from && i < from+n {
			errs[i-from] = e
		}
	}
	switch {
	case !named:
		return j.err
	case len(errs) == 0:
		return nil
	}
	return &stream.PartialError{Errs: errs}
}

func (c *coalesced[T]) Reads(topics []string) {
	if r, ok := c.to.(stream.TopicReader); ok {
		r.Reads(topics)
	}
}

func (c *coalesced[T]) Open(ctx context.Context) error {
	if o, ok := c.to.(stream.Opener); ok {
		return o.Open(ctx)
	}
	return nil
}

func (c *coalesced[T]) Close(ctx context.Context) error {
	if o, ok := c.to.(stream.Closer); ok {
		return o.Close(ctx)
	}
	return nil
}

func (c *coalesced[T]) Check() (err error) {
	if c.n < 1 {
		err = &stream.BuildError{Code: "LW145", Step: "Coalesce", What: fmt.Sprintf("a write of %d elements", c.n), Fix: "n is at least 1"}
	}
	if c.wait <= 0 {
		err = errors.Join(err, &stream.BuildError{Code: "LW145", Step: "Coalesce", What: fmt.Sprintf("a wait of %v", c.wait), Fix: "give it a few milliseconds"})
	}
	if o, ok := c.to.(stream.Checker); ok {
		err = errors.Join(err, o.Check())
	}
	return err
}

func (c *coalesced[T]) String() string {
	if s, ok := c.to.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}
