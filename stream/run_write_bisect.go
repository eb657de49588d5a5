package stream

import "slices"

// divides reports whether a failed write is to be bisected: its elements failed together, and the
// error may be of one of them. A sink takes any number of elements, so no option is needed.
func (wr *writer[T]) divides(todo []pending[T]) bool {
	return len(wr.mates(todo)) > 0 && !IsWhole(todo[0].fail) // todo[0] was not written
}

// mates returns the elements that have failed together, with one error that names none of them.
func (wr *writer[T]) mates(todo []pending[T]) (ms []mate) {
	for i := range todo {
		if e := &todo[i]; e.fails() && !e.alone {
			ms = append(ms, mate{e.r, e.value})
		}
	}
	if len(ms) < 2 {
		return nil
	}
	return ms
}

// value returns the element, for a Failure.
func (e *pending[T]) value() any { return *e.v }

// bisect finds the culprits of a failed write. It passes on, settles or abandons every element.
func (wr *writer[T]) bisect(todo []pending[T], attempt int) {
	s := &halving{n: len(todo), attempt: attempt, loose: wr.st.unordered(), other: wr.other(todo)}
	s.call = func(lo, hi int) (outcome, failing) { return wr.part(todo[lo:hi], attempt) }
	s.settle = func(one suspect) {
		var part []pending[T]
		for i := one.lo; i < one.hi; i++ {
			e := &todo[i]
			if e.fails() && !e.alone {
				e.fail, e.took = one.err, one.took
			}
			switch {
			case e.gone || wr.leaves(e):
			case e.written && len(part) == 0:
				wr.passOn(*e)
			default:
				part = append(part, *e)
			}
			e.gone = true
		}
		if len(part) > 0 {
			wr.from(wr.failed(part, one.attempt, false))
		}
	}
	wr.st.exec.emit(StepEvent{wr.st.name, "bisected", "a write of " + counted(len(todo), "element") + " failed: trying its halves", todo[0].fail})
	s.search(failing{todo[0].fail, todo[0].took})
}

// other returns the first element of another lane than the first; 0 if there is none.
func (wr *writer[T]) other(todo []pending[T]) int {
	first := wr.lane(&todo[0])
	return max(0, slices.IndexFunc(todo, func(e pending[T]) bool { return wr.lane(&e) != first }))
}

// part writes a part of a failed write, and passes it on unless it fails.
func (wr *writer[T]) part(part []pending[T], attempt int) (outcome, failing) {
	for i := range part {
		part[i].r.part.loseIfExpired()
		wr.leaves(&part[i])
	}
	var f failing
	if i := slices.IndexFunc(part, func(e pending[T]) bool { return e.fails() }); i >= 0 {
		wr.attempt(part[i:], attempt)
		if i = slices.IndexFunc(part, func(e pending[T]) bool { return e.fails() }); i >= 0 {
			f = failing{part[i].fail, part[i].took}
		}
		switch {
		case i < 0:
		case part[i].alone:
			return partNamed, f
		case IsWhole(f.err):
			return partOfAll, f
		case len(part) > 1 && wr.mates(part) == nil: // the others have been decided about
			return partNamed, f
		default:
			return partFailed, f
		}
	}
	for i := range part {
		if e := &part[i]; !e.gone {
			wr.passOn(*e)
			e.gone = true
		}
	}
	return partPassed, f
}

// leaves gives up an element that must not be processed further, and reports whether it did. Lane
// mates of a culprit that waits queue behind it.
func (wr *writer[T]) leaves(e *pending[T]) bool {
	if e.gone || !wr.w.stops(e.r) {
		return false
	}
	if e.gone = true; e.written {
		e.r.abandon()
	} else {
		wr.st.leave(wr.w, e.r)
	}
	return true
}

// unordered reports whether the elements of a To step come in no order.
func (st *step) unordered() bool {
	return st.group == ungrouped && st.exec.plan.above(st.stage.plan, func(sg *stagePlan) bool { return sg.lanes == loose && !sg.keepOrder })
}
