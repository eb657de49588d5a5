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
	took    time.Duration
	written bool // but an earlier element of its lane was not
}

func (wr *writer[T]) write(ts []*lane.Task) {
	todo := make([]pending[T], len(ts))
	for i, t := range ts {
		r, v := wr.open(t)
		c := carrierOf(t)
		todo[i] = pending[T]{r: r, v: v, group: c.groupID()}
	}
	for attempt := 1; len(todo) > 0; {
		wr.attempt(todo, attempt)
		var again bool
		if todo, again = wr.postpone(todo, attempt); again {
			continue
		}
		wr.w.holds(nil)
		todo = wr.settle(todo, attempt)
		attempt++
	}
}

// postpone waits if the write as a whole was postponed, and reports whether to write again.
func (wr *writer[T]) postpone(todo []pending[T], attempt int) (left []pending[T], again bool) {
	p := postponed(todo[0].fail) // todo[0] was not written: settle passes on all before a failure
	if p == nil {
		return todo, false
	}
	e := todo[0]
	again, bad := wr.st.postpone(wr.w, e.r, func() Failure {
		return wr.st.failures(e.r, attempt, e.took, e.fail, func() any { return *e.v })[0]
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
	all := jointRecord(todo[0].r.part, &joint{}) // the sink's context, for MetasOf
	for _, e := range todo {
		if !e.written {
			out = append(out, Out[T]{*e.v, e.r.meta()})
			all.joint.members = append(all.joint.members, e.r)
		}
	}
	wr.w.cur.Store(all)
	n := len(out)
	took, err := wr.st.dressed(all, attempt, func(ctx context.Context) error {
		return wr.st.run.writers.one(ctx, wr.st.node, out[0].Meta.TopicPartition(), func() error {
			return guarded(func() error { return wr.sink.Write(ctx, out) })
		})
	})
	var part *PartialError
	if failedOf(err, n) != nil {
		errors.As(err, &part)
	}
	i := 0
	for k := range todo {
		e := &todo[k]
		if e.written {
			continue
		}
		if e.fail, e.took = err, took; part != nil {
			e.fail = part.Errs[i]
		}
		e.written = e.fail == nil
		i++
	}
}

// settle passes on each written element unless an earlier one of its group is still to be retried.
// The policies decide about failed elements. It returns the elements left to write or pass on,
// after the longest wait that a retry asks for.
func (wr *writer[T]) settle(todo []pending[T], attempt int) (left []pending[T]) {
	var longest verdict
	var waiting map[uint64]bool // groups of the failed elements in left
	for _, e := range todo {
		if e.written {
			if waiting[e.group] {
				left = append(left, e)
				continue
			}
			if wr.w.stops(e.r) { // an earlier one was given up in a step below
				e.r.abandon()
				continue
			}
			wr.w.group = e.group
			wr.next(wr.w, e.r, e.v)
			continue
		}
		d := wr.st.decide(wr.w, e.r, attempt, e.took, e.fail, false, func() any { return *e.v })
		if !d.again {
			continue
		}
		if waiting == nil {
			waiting = map[uint64]bool{}
		}
		waiting[e.group] = true
		if len(left) == 0 || d.wait > longest.wait {
			longest = d
		}
		left = append(left, e)
	}
	return wr.wait(left, longest)
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
