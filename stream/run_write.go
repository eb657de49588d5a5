package stream

import (
	"context"
	"errors"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// writer is a To step in one worker.
type writer[T any] struct {
	w    *worker
	st   *step
	sink Sink[T]
	open opened[T]
	next push[T]
}

// pending is an element that was not passed on yet.
type pending[T any] struct {
	r       *record
	v       *T
	group   uint64
	fail    error
	alone   bool // fail is of this element, and not of the whole write
	took    time.Duration
	written bool // but an earlier element of its lane was not
	gone    bool // given up or decided about
}

// fails reports whether the element was not written.
func (e *pending[T]) fails() bool { return !e.written && !e.gone }

func (wr *writer[T]) write(ts []*lane.Task) {
	todo := make([]pending[T], len(ts))
	for i, t := range ts {
		r, v := wr.open(t)
		c := carrierOf(t)
		todo[i] = pending[T]{r: r, v: v, group: c.groupID()}
	}
	wr.from(todo, 1)
}

// from writes elements, from an attempt on, until each is passed on, decided about or given up.
func (wr *writer[T]) from(todo []pending[T], attempt int) {
	for len(todo) > 0 {
		wr.attempt(todo, attempt)
		todo, attempt = wr.failed(todo, attempt, true)
	}
}

// failed waits if the write was postponed, or settles its elements. It returns the elements left to
// write or pass on, and the number of their next attempt. todo starts with a failed element, unless
// none failed.
func (wr *writer[T]) failed(todo []pending[T], attempt int, divisible bool) (left []pending[T], next int) {
	todo, again := wr.postpone(todo, attempt)
	if again {
		return todo, attempt
	}
	wr.w.holds(nil)
	return wr.settle(todo, attempt, divisible && wr.divides(todo)), attempt + 1
}

// postpone waits if the write as a whole was postponed, and reports whether to write again.
func (wr *writer[T]) postpone(todo []pending[T], attempt int) (left []pending[T], again bool) {
	p := postponed(todo[0].fail) // todo[0] was not written: settle passes on all before a failure
	if p == nil || todo[0].alone {
		return todo, false
	}
	e := todo[0]
	again, bad := wr.st.postpone(wr.w, e.r, func() Failure {
		return wr.st.failures(e.r, attempt, e.took, e.fail, e.value)[0]
	}, p)
	if !again && bad == nil {
		return wr.leave(todo), false
	}
	for i := range todo {
		if !todo[i].written {
			todo[i].fail = bad
		}
	}
	return todo, again
}

// attempt writes the elements of todo that are not written yet, and notes their failures.
func (wr *writer[T]) attempt(todo []pending[T], attempt int) {
	out := make([]Out[T], 0, len(todo))
	all := joinedRecord(todo[0].r.part, &joined{}) // the sink's context, for MetasOf
	for _, e := range todo {
		if e.fails() {
			out = append(out, Out[T]{*e.v, e.r.meta()})
			all.joined.members = append(all.joined.members, e.r)
		}
	}
	wr.w.cur.Store(all)
	n := len(out)
	took, err := wr.st.dressed(all, attempt, func(ctx context.Context) error {
		return wr.st.exec.writers.one(ctx, wr.st.node, out[0].Meta.TopicPartition(), func() error {
			return guarded(func() error { return wr.sink.Write(ctx, out) })
		})
	})
	part := namedIn(err, n)
	i := 0
	for k := range todo {
		e := &todo[k]
		if !e.fails() {
			continue
		}
		if e.fail, e.took, e.alone = err, took, part != nil; e.alone {
			e.fail = printable(part.Errs[i])
		}
		e.written = e.fail == nil
		i++
	}
}

// namedIn returns the PartialError in err if it names any of n elements.
func namedIn(err error, n int) *PartialError {
	p, _ := errors.AsType[*PartialError](err)
	if p != nil {
		for i, err := range p.Errs {
			if 0 <= i && i < n && err != nil {
				return p
			}
		}
	}
	return nil
}

// settle passes on each written element unless an earlier one of its group is still to be retried.
// The policies decide about failed elements. If they cannot be retried and the write is divisible,
// its culprits are searched for. settle returns the elements left to write or pass on, after the
// longest wait that a retry asks for.
func (wr *writer[T]) settle(todo []pending[T], attempt int, divisible bool) (left []pending[T]) {
	var longest verdict
	var waiting map[uint64]bool // groups of the failed elements in left
	halves := false
	mates := wr.mates(todo)
	for _, e := range todo {
		if e.written {
			if waiting[e.group] {
				left = append(left, e)
			} else {
				wr.passOn(e)
			}
			continue
		}
		d := wr.st.decide(wr.w, e.r, attempt, e.took, e.fail, divisible, e.value, mates)
		if !d.again && !d.halves {
			continue
		}
		if waiting == nil {
			waiting = map[uint64]bool{}
		}
		waiting[e.group] = true
		if len(left) == 0 || d.wait > longest.wait {
			longest = d
		}
		halves = halves || d.halves
		left = append(left, e)
	}
	if halves {
		wr.bisect(left, attempt)
		return nil
	}
	return wr.wait(left, longest)
}

// passOn passes on a written element.
func (wr *writer[T]) passOn(e pending[T]) {
	if wr.w.stops(e.r) { // an earlier one was given up here or in a step below
		e.r.abandon()
		return
	}
	wr.w.group = e.group
	wr.next(wr.w, e.r, e.v)
}

// wait waits before the next attempt. left is empty or starts with a failed element.
func (wr *writer[T]) wait(left []pending[T], d verdict) []pending[T] {
	if len(left) == 0 || wr.st.waitAgain(wr.w, left[0].r, d) {
		return left
	}
	return wr.leave(left)
}

// leave abandons all elements but the first, whose hold was given back before.
func (wr *writer[T]) leave(left []pending[T]) []pending[T] {
	for _, e := range left[1:] {
		wr.st.leave(wr.w, e.r)
	}
	return nil
}
