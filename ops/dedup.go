package ops

import (
	"context"
	"iter"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

// Dedup lets an element pass only if none with the same key(value) has finished lately in its partition: among the last window that did. 1→0..1, keeps
// order. A key counts from when its record has finished, so one that is read again because it was not is no duplicate of itself; two that are under way
// at the same time both pass, unless a grouping by the same key keeps them one behind the other. A partition that is assigned anew starts with nothing
// remembered. Costs the memory of window keys per partition.
func Dedup[T any, K comparable](key func(T) K, window int) stream.Pipe[T, T] {
	d := &deduper[T, K]{key, max(window, 1)}
	return func(s stream.Stream[T]) stream.Stream[T] { return s.FlatMap(d.dedup) }
}

type deduper[T any, K comparable] struct {
	key    func(T) K
	window int
}

func (d *deduper[T, K]) dedup(ctx context.Context, v T) (iter.Seq[T], error) {
	seen := stream.StateOf(ctx, d, func() *memory[K] { return &memory[K]{keys: map[K]struct{}{}, window: d.window} })
	k := d.key(v)
	if seen.has(k) {
		return nil, nil
	}
	stream.OnRest(ctx, func(finished bool) {
		if finished {
			seen.add(k)
		}
	})
	return one(v), nil
}

func one[T any](v T) iter.Seq[T] {
	return func(yield func(T) bool) { yield(v) }
}

// memory is the last keys that finished, the oldest forgotten first.
type memory[K comparable] struct {
	window int

	mu   sync.Mutex // guards what follows
	keys map[K]struct{}
	ring []K
	next int // where the ring is written
}

func (m *memory[K]) has(k K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.keys[k]
	return ok
}

func (m *memory[K]) add(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[k]; ok {
		return
	}
	m.keys[k] = struct{}{}
	if len(m.ring) < m.window {
		m.ring = append(m.ring, k)
		return
	}
	delete(m.keys, m.ring[m.next])
	m.ring[m.next] = k
	m.next = (m.next + 1) % m.window
}
