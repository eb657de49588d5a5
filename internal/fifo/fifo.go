// Package fifo is a queue that reuses its memory.
package fifo

import "slices"

// Queue is a first-in, first-out queue. The zero value is empty. It is not safe for concurrent use.
type Queue[T any] struct {
	all  []T
	from int // all[:from] were popped
}

// Empty reports whether the queue is empty.
func (q *Queue[T]) Empty() bool { return q.from == len(q.all) }

// First returns the oldest value. The queue must not be empty.
func (q *Queue[T]) First() T { return q.all[q.from] }

// Items returns the queued values, oldest first. The slice is valid until the queue changes, and
// its elements may be changed.
func (q *Queue[T]) Items() []T { return q.all[q.from:] }

// Push adds values. If a good part of the memory is free, it moves the queue there instead of
// growing.
func (q *Queue[T]) Push(vs ...T) {
	if len(q.all)+len(vs) > cap(q.all) && q.from > len(q.all)/2 {
		n := copy(q.all, q.all[q.from:])
		clear(q.all[n:])
		q.all, q.from = q.all[:n], 0
	}
	q.all = append(q.all, vs...)
}

// Pop removes the oldest value. The queue must not be empty.
func (q *Queue[T]) Pop() T {
	v := q.all[q.from]
	q.Drop(1)
	return v
}

// PopN removes up to n values and returns them in memory of their own.
func (q *Queue[T]) PopN(n int) []T {
	vs := slices.Clone(q.all[q.from:min(q.from+n, len(q.all))])
	q.Drop(len(vs))
	return vs
}

// Drop removes n values.
func (q *Queue[T]) Drop(n int) {
	clear(q.all[q.from : q.from+n])
	if q.from += n; q.from == len(q.all) {
		q.all, q.from = q.all[:0], 0
	}
}

// Unpop puts back the values popped last.
func (q *Queue[T]) Unpop(vs []T) {
	if q.from >= len(vs) {
		q.from -= len(vs)
		copy(q.all[q.from:], vs)
		return
	}
	q.all, q.from = slices.Concat(vs, q.all[q.from:]), 0
}

// DeleteFunc removes the values for which del returns true.
func (q *Queue[T]) DeleteFunc(del func(T) bool) {
	q.all = q.all[:q.from+len(slices.DeleteFunc(q.all[q.from:], del))]
	if q.Empty() {
		q.all, q.from = q.all[:0], 0
	}
}
