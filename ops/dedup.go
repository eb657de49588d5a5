package ops

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

// Dedup lets an element pass only if no other with the same key(value) is under way or has finished
// lately in its partition; lately: among the last window that did, the oldest forgotten first.
// 1→0..1, keeps order.
//
// A key counts from when its record has finished. A record that comes back because it had not
// (after a halt, a crash, a rebalance) is therefore no duplicate of itself. One that finds its key
// under way is done at once: the one that is under way stays uncommitted until it has finished, so
// one of the two is worked on whatever happens, unless it is given up by a policy or by
// Pipeline.Skip.
//
// A partition that is assigned anew starts with nothing remembered. Costs the memory of window keys
// per partition.
func Dedup[T any, K comparable](key func(T) K, window int) stream.Pipe[T, T] {
	var refusals []stream.StepOption
	if key == nil {
		refusals = append(refusals, stream.Invalid("Dedup was given a nil func", "pass a function that returns an element's key"))
	}
	if window < 1 {
		refusals = append(refusals, stream.Invalid(fmt.Sprintf("Dedup with a window of %d remembers nothing", window), "window is at least 1"))
	}
	return func(s stream.Stream[T]) stream.Stream[T] {
		// one for each place in a chain: what passes the first must pass the second
		d := &deduper[T, K]{key, window}
		return s.FlatMap(d.dedup, refusals...)
	}
}

type deduper[T any, K comparable] struct {
	key    func(T) K
	window int
}

func (d *deduper[T, K]) dedup(ctx context.Context, v T) (iter.Seq[T], error) {
	seen := stream.StateOf(ctx, d, func() *memory[K] { return &memory[K]{window: d.window, keys: map[K]*sighting{}} })
	k := d.key(v)
	own := seen.claim(k)
	if own == nil {
		return nil, nil
	}
	stream.OnSettled(ctx, func(finished bool) { seen.settle(k, own, finished) })
	return one(v), nil
}

func one[T any](v T) iter.Seq[T] {
	return func(yield func(T) bool) { yield(v) }
}

// memory is the keys under way, and the last that finished.
type memory[K comparable] struct {
	window int

	mu       sync.Mutex // guards what follows; a leaf
	keys     map[K]*sighting
	finished []seen[K] // a ring of window, the oldest at next once it is full
	next     int
}

// sighting is one element's claim to its key: whoever has it under that key is the one that passed.
type sighting struct{ remembered bool }

type seen[K comparable] struct {
	key K
	by  *sighting
}

// claim returns the element's claim, nil if it is a duplicate.
func (m *memory[K]) claim(k K) *sighting {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[k] != nil {
		return nil
	}
	s := &sighting{}
	m.keys[k] = s
	return s
}

// settle remembers the key of a record that has finished, and gives up the claim of one that has
// not. It is called once for each record of a batch, all of which have to finish.
func (m *memory[K]) settle(k K, s *sighting, finished bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[k] != s {
		return // given up, or forgotten
	}
	if !finished {
		delete(m.keys, k)
		return
	}
	if s.remembered {
		return
	}
	s.remembered = true
	if len(m.finished) < m.window {
		m.finished = append(m.finished, seen[K]{k, s})
		return
	}
	oldest := &m.finished[m.next]
	if m.keys[oldest.key] == oldest.by {
		delete(m.keys, oldest.key)
	}
	*oldest = seen[K]{k, s}
	m.next = (m.next + 1) % m.window
}
