package stream

import (
	"context"
	"errors"
	"math"
	"slices"
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
	waited  bool // it was postponed, and is to be written again
	spared  int  // attempts that do not count for it
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
	again := wr.postpone(todo, attempt)
	todo = wr.live(todo)
	if again {
		return todo, attempt
	}
	wr.w.holds(nil)
	left = wr.live(wr.settle(todo, attempt, divisible && wr.divides(todo)))
	return left, attempt + 1 - unused(left)
}

// unused returns how many attempts count for none of the elements, and no longer spares them those.
func unused[T any](todo []pending[T]) (n int) {
	n = math.MaxInt
	for _, e := range todo {
		if e.fails() {
			n = min(n, e.spared)
		}
	}
	if n == math.MaxInt {
		return 0
	}
	for i := range todo {
		todo[i].spared -= n
	}
	return n
}

// postpone waits if elements were postponed, and reports whether to write again at once. It does so
// if that was the write as a whole.
func (wr *writer[T]) postpone(todo []pending[T], attempt int) (again bool) {
	i := slices.IndexFunc(todo, func(e pending[T]) bool { return e.fails() && postponed(e.fail) != nil })
	if i < 0 {
		return false
	}
	e := &todo[i]
	if e.alone {
		wr.passWritten(todo)
	}
	again, bad := wr.st.postpone(wr.w, e.r, func() Failure {
		return wr.st.failures(e.r, attempt-e.spared, e.took, e.fail, e.value)[0]
	}, postponed(e.fail))
	switch {
	case again && !e.alone:
		return true
	case bad == nil:
		e.gone = !again
		for k := range todo {
			if e := &todo[k]; e.fails() && postponed(e.fail) != nil {
				e.waited = true
				e.spared++
			}
		}
	case e.alone:
		e.fail = bad
	default:
		for k := range todo {
			if e := &todo[k]; e.fails() {
				e.fail = bad
			}
		}
	}
	return false
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
		e.waited = false
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

// lane returns the lane of an element, whose order is kept.
func (wr *writer[T]) lane(e *pending[T]) uint64 { return wr.st.stage.groupOf(e.group, e.r) }

// settle passes on each written element unless an earlier one of its lane is still to be retried.
// The policies decide about failed elements. If they cannot be retried and the write is divisible,
// its culprits are searched for. settle returns the elements left to write or pass on, after the
// longest wait that a retry asks for.
func (wr *writer[T]) settle(todo []pending[T], attempt int, divisible bool) (left []pending[T]) {
	var longest verdict
	var waiting map[uint64]bool // lanes of the failed elements in left
	halves, retried := false, -1
	mates := wr.mates(todo)
	for _, e := range todo {
		if e.written {
			if len(waiting) > 0 && waiting[wr.lane(&e)] {
				left = append(left, e)
			} else {
				wr.passOn(e)
			}
			continue
		}
		var d verdict
		if !e.waited {
			d = wr.st.decide(wr.w, e.r, attempt-e.spared, e.took, e.fail, divisible, e.value, mates)
			if !d.again && !d.halves {
				continue
			}
		}
		if waiting == nil {
			waiting = map[uint64]bool{}
		}
		waiting[wr.lane(&e)] = true
		if d.again && (retried < 0 || d.wait > longest.wait) {
			longest = d
		}
		if d.again && retried < 0 {
			retried = len(left)
		}
		halves = halves || d.halves
		left = append(left, e)
	}
	if halves {
		wr.bisect(left, attempt)
		return nil
	}
	if retried >= 0 {
		left[retried].gone = !wr.st.waitAgain(wr.w, left[retried].r, longest)
	}
	return left
}

// passWritten passes on each written element that is behind no failed one of its lane.
func (wr *writer[T]) passWritten(todo []pending[T]) {
	waiting := map[uint64]bool{}
	for i := range todo {
		switch e := &todo[i]; {
		case e.gone:
		case e.fails():
			waiting[wr.lane(e)] = true
		case e.written && !waiting[wr.lane(e)]:
			wr.passOn(*e)
			e.gone = true
		}
	}
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

// live gives up the elements that must not be processed further, such as those parked while others
// waited. It returns those that are left to write or pass on.
func (wr *writer[T]) live(todo []pending[T]) []pending[T] {
	gone := false
	for i := range todo {
		gone = wr.leaves(&todo[i]) || todo[i].gone || gone
	}
	if !gone {
		return todo
	}
	wr.passWritten(todo)
	return slices.DeleteFunc(todo, func(e pending[T]) bool { return e.gone })
}
