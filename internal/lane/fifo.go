package lane

import "slices"

// fifo is a queue whose memory is used again.
type fifo[T any] struct {
	all  []T
	from int // all[:from] were taken
}

func (q *fifo[T]) empty() bool { return q.from == len(q.all) }
func (q *fifo[T]) first() T    { return q.all[q.from] }

func (q *fifo[T]) push(vs ...T) {
	if q.from > 0 && len(q.all)+len(vs) > cap(q.all) { // rather than grow
		n := copy(q.all, q.all[q.from:])
		clear(q.all[n:])
		q.all, q.from = q.all[:n], 0
	}
	q.all = append(q.all, vs...)
}

func (q *fifo[T]) pop() T {
	v := q.all[q.from]
	q.take(1)
	return v
}

// popN takes up to n, into memory of their own.
func (q *fifo[T]) popN(n int) []T {
	vs := slices.Clone(q.all[q.from:min(q.from+n, len(q.all))])
	q.take(len(vs))
	return vs
}

func (q *fifo[T]) take(n int) {
	clear(q.all[q.from : q.from+n])
	if q.from += n; q.from == len(q.all) {
		q.all, q.from = q.all[:0], 0
	}
}

// unpop puts back what was taken last.
func (q *fifo[T]) unpop(vs []T) {
	if q.from >= len(vs) {
		q.from -= len(vs)
		copy(q.all[q.from:], vs)
		return
	}
	q.all, q.from = slices.Concat(vs, q.all[q.from:]), 0
}
