// Package fifo is a queue whose memory is used again.
package fifo

import "slices"

// Queue is a first-in, first-out queue. The zero value is empty. It guards nothing: its owner does.
type Queue[T any] struct {
	all  []T
	from int // all[:from] were taken
}

// Empty reports whether nothing is queued.
func (q *Queue[T]) Empty() bool { return q.from == len(q.all) }

// First is the oldest value. The queue must not be empty.
func (q *Queue[T]) First() T { return q.all[q.from] }

// Items is what is queued, oldest first, until the next call that changes the queue. Its elements
// may be changed.
func (q *Queue[T]) Items() []T { return q.all[q.from:] }

// Push adds values. It moves the queue within its memory rather than grow it, where a good part is
// free.
func (q *Queue[T]) Push(vs ...T) {
	if len(q.all)+len(vs) > cap(q.all) && q.from > len(q.all)/2 {
		n := copy(q.all, q.all[q.from:])
		clear(q.all[n:])
		q.all, q.from = q.all[:n], 0
	}
	q.all = append(q.all, vs...)
}

// Pop takes the oldest value. The queue must not be empty.
func (q *Queue[T]) Pop() T {
	v := q.all[q.from]
	q.Drop(1)
	return v
}

// PopN takes up to n values, into memory of their own.
func (q *Queue[T]) PopN(n int) []T {
	vs := slices.Clone(q.all[q.from:min(q.from+n, len(q.all))])
	q.Drop(len(vs))
	return vs
}

// Drop takes n values and forgets them.
func (q *Queue[T]) Drop(n int) {
	clear(q.all[q.from : q.from+n])
	if q.from += n; q.from == len(q.all) {
		q.all, q.from = q.all[:0], 0
	}
}

// Unpop puts back what was taken last.
func (q *Queue[T]) Unpop(vs []T) {
	if q.from >= len(vs) {
		q.from -= len(vs)
		copy(q.all[q.from:], vs)
		return
	}
	q.all, q.from = slices.Concat(vs, q.all[q.from:]), 0
}

// DeleteFunc forgets the values that del wants gone.
func (q *Queue[T]) DeleteFunc(del func(T) bool) {
	q.all = q.all[:q.from+len(slices.DeleteFunc(q.all[q.from:], del))]
	if q.Empty() {
		q.all, q.from = q.all[:0], 0
	}
}
