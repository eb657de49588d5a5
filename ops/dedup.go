package ops

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/laneway-go/laneway/stream"
)

// Dedup passes an element on unless another element with the same key(value) is in flight or
// finished recently in its partition. Recent means among the last window keys that finished; the
// oldest is forgotten first. 1→0..1, keeps order.
//
// A key is remembered once its record has finished. A record redelivered unfinished, after a halt,
// a crash or a rebalance, is therefore no duplicate of itself. A duplicate of an element in flight
// is done at once; the element in flight stays uncommitted until it finishes. So one of the two is
// always processed, unless a policy or Pipeline.Skip gives it up.
//
// A new assignment of a partition starts with an empty memory. Costs the memory of window keys per
// partition.
func Dedup[T any, K comparable](key func(T) K, window int) stream.Pipe[T, T] {
	var refusals []stream.StepOption
	if key == nil {
		refusals = append(refusals, stream.Invalid("Dedup was given a nil func", "pass a function that returns an element's key"))
	}
	if window < 1 {
		refusals = append(refusals, stream.Invalid(fmt.Sprintf("Dedup with a window of %d remembers nothing", window), "window is at least 1"))
	}
	return func(s stream.Stream[T]) stream.Stream[T] {
		// One pipe may be used twice in a chain: an element that passes the first must pass the
		// second.
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

// memory holds the keys in flight and the last ones that finished.
type memory[K comparable] struct {
	window int

	mu       sync.Mutex // guards the fields below; a leaf
	keys     map[K]*sighting
	finished []seen[K] // a ring of window, the oldest at next once it is full
	next     int
}

// sighting is one element's claim to its key. The element whose claim is stored under the key
// passes.
type sighting struct{ remembered bool }

type seen[K comparable] struct {
	key K
	by  *sighting
}

// claim returns the element's claim, or nil if it is a duplicate.
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

// settle remembers the key of a finished record and withdraws the claim of an unfinished one. It is
// called once per record of a batch, and all of them must finish.
func (m *memory[K]) settle(k K, s *sighting, finished bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[k] != s {
		return // withdrawn or forgotten
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
