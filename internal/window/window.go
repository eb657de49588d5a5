// Package window keeps values by sequence number, for numbers that arrive nearly in order. Adding a
// value and finding the lowest take constant time, however far out of order they arrive.
package window

import "math/bits"

// Window holds values by sequence number. Values of one number keep the order in which they were
// added. The zero value is empty. Its memory grows with the span from the lowest number to the
// highest, by 16 bytes and a bit per number. It is not safe for concurrent use.
type Window[V any] struct {
	slots  []slot[V] // index is the number modulo the length, a power of two
	used   []uint64  // a bit for each slot with values
	lo, hi int64     // the lowest and the highest number
	n      int
	free   *node[V]
}

type slot[V any] struct{ first, last *node[V] }

type node[V any] struct {
	v    V
	next *node[V]
}

const least = 64

// Len returns the number of values.
func (w *Window[V]) Len() int { return w.n }

// Add adds a zero value and returns where it is, to be filled in. Pop and DeleteFunc end that.
func (w *Window[V]) Add(seq int64) *V {
	if w.n == 0 {
		w.lo, w.hi = seq, seq
	}
	lo, hi := min(w.lo, seq), max(w.hi, seq)
	if span := hi - lo + 1; span > int64(len(w.slots)) {
		w.grow(span)
	}
	w.lo, w.hi = lo, hi
	nd := w.free
	if nd == nil {
		nd = new(node[V])
	} else {
		w.free, nd.next = nd.next, nil
	}
	w.put(seq, nd)
	return &nd.v
}

func (w *Window[V]) put(seq int64, nd *node[V]) {
	i := w.index(seq)
	s := &w.slots[i]
	if s.first == nil {
		s.first = nd
		w.used[i/64] |= 1 << (i % 64)
	} else {
		s.last.next = nd
	}
	s.last = nd
	w.n++
}

func (w *Window[V]) index(seq int64) int { return int(seq) & (len(w.slots) - 1) }

// grow makes room for a span of numbers.
func (w *Window[V]) grow(span int64) {
	old := *w
	size := least
	for int64(size) < span {
		size *= 2
	}
	w.slots, w.used, w.n = make([]slot[V], size), make([]uint64, size/64), 0
	left := old.n
	for seq := old.lo; left > 0; seq++ {
		seq = old.next(seq)
		for nd := old.slots[old.index(seq)].first; nd != nil; left-- {
			next := nd.next
			nd.next = nil
			w.put(seq, nd)
			nd = next
		}
	}
}

// First returns the oldest value of the lowest number, or nil if the window is empty. Pop and
// DeleteFunc end that.
func (w *Window[V]) First() *V {
	if w.n == 0 {
		return nil
	}
	return &w.slots[w.index(w.lo)].first.v
}

// Pop removes the value that First returns. There must be one. Its memory is cleared and used
// again.
func (w *Window[V]) Pop() {
	i := w.index(w.lo)
	s := &w.slots[i]
	nd := s.first
	s.first = nd.next
	*nd = node[V]{next: w.free}
	w.free = nd
	if w.n--; s.first == nil {
		s.last = nil
		w.used[i/64] &^= 1 << (i % 64)
		if w.n > 0 {
			w.lo = w.next(w.lo + 1)
		}
	}
}

// next returns the lowest number from seq on that has values. There must be one.
func (w *Window[V]) next(seq int64) int64 {
	for {
		i := w.index(seq)
		if word := w.used[i/64] >> (i % 64); word != 0 {
			return seq + int64(bits.TrailingZeros64(word))
		}
		seq += int64(64 - i%64)
	}
}

// Has reports whether a number has values.
func (w *Window[V]) Has(seq int64) bool {
	return w.n > 0 && w.lo <= seq && seq <= w.hi && w.slots[w.index(seq)].first != nil
}

// All yields the values in order. The loop may change them, but must not add or remove any.
func (w *Window[V]) All(yield func(*V) bool) {
	left := w.n
	for seq := w.lo; left > 0; seq++ {
		seq = w.next(seq)
		for nd := w.slots[w.index(seq)].first; nd != nil; nd = nd.next {
			if !yield(&nd.v) {
				return
			}
			left--
		}
	}
}

// DeleteFunc removes the values for which del returns true.
func (w *Window[V]) DeleteFunc(del func(*V) bool) {
	old := *w
	*w = Window[V]{}
	left := old.n
	for seq := old.lo; left > 0; seq++ {
		seq = old.next(seq)
		for nd := old.slots[old.index(seq)].first; nd != nil; nd = nd.next {
			if left--; !del(&nd.v) {
				*w.Add(seq) = nd.v
			}
		}
	}
}

// Clear removes all values.
func (w *Window[V]) Clear() { *w = Window[V]{} }
