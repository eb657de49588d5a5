package sink

import (
	"context"
	"slices"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

// Collected is a sink that keeps all elements in memory, for tests and small jobs.
type Collected[T any] struct {
	mu  sync.Mutex // guards out
	out []stream.Out[T]
}

// Slice returns a sink that keeps elements in the order they are written. Only the elements of one
// lane have a defined order.
func Slice[T any]() *Collected[T] { return &Collected[T]{} }

// Write implements stream.Sink. It never fails.
func (c *Collected[T]) Write(_ context.Context, elems []stream.Out[T]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, elems...)
	return nil
}

// Values returns the values written so far.
func (c *Collected[T]) Values() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	vs := make([]T, len(c.out))
	for i, o := range c.out {
		vs[i] = o.Value
	}
	return vs
}

// Elems returns the elements written so far, with their lineage.
func (c *Collected[T]) Elems() []stream.Out[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.out)
}
