package stream

import (
	"context"
	"errors"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// writer is a To in one worker, at work on one partition.
type writer[T any] struct {
	w    *worker
	st   *step
	sink Sink[T]
	open opened[T]
	next push[T]
}

// pending is an element that has not passed on yet.
type pending[T any] struct {
	r       *record
	v       *T
	group   uint64
	fail    error
	took    time.Duration
	written bool // and waits for one before it in its lane
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

// postpone waits where the write as a whole was no attempt, and reports whether to write again.
func (wr *writer[T]) postpone(todo []pending[T], attempt int) (left []pending[T], again bool) {
	p := postponed(todo[0].fail) // which is not written: settle passes on what precedes a failure
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

// attempt writes what of todo is not written yet, and notes what failed.
func (wr *writer[T]) attempt(todo []pending[T], attempt int) {
	out := make([]Out[T], 0, len(todo))
	all := jointRecord(todo[0].r.part, &joint{}) // what MetasOf finds in the sink's context
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

// settle passes on what was written, as far as nothing before it in its lane has failed, lets the
// policies decide about what failed, and returns what is left, after the longest wait for what is
// to be tried again.
func (wr *writer[T]) settle(todo []pending[T], attempt int) (left []pending[T]) {
	var longest verdict
	var waiting map[uint64]bool // groups that an element in left holds
	for _, e := range todo {
		if e.written {
			if waiting[e.group] {
				left = append(left, e)
				continue
			}
			if wr.w.stops(e.r) { // one before it was given up below
				e.r.abandon()
				continue
			}
			wr.w.group = e.group
			wr.next(wr.w, e.r, e.v)
			continue
		}
		d := wr.st.decide(wr.w, e.r, attempt, e.took, e.fail, func() any { return *e.v })
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

// wait is called with what begins with a failed element, unless it is nothing.
func (wr *writer[T]) wait(left []pending[T], d verdict) []pending[T] {
	if len(left) == 0 || wr.st.waitAgain(wr.w, left[0].r, d) {
		return left
	}
	return wr.leave(left)
}

// leave gives up elements of which the first one's hold is given back already.
func (wr *writer[T]) leave(left []pending[T]) []pending[T] {
	for _, e := range left[1:] {
		wr.st.leave(wr.w, e.r)
	}
	return nil
}
