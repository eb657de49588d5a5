package stream

import (
	"errors"
	"maps"
	"slices"
)

// culprit is a member of a batch or a transaction that an error names.
type culprit struct {
	i   int
	err error
}

// culprits returns those of n members that err names, in order; nil if it names none.
func culprits(err error, n int) (cs []culprit) {
	var p *PartialError
	if !errors.As(err, &p) {
		return nil
	}
	for _, i := range slices.Sorted(maps.Keys(p.Errs)) {
		if i >= 0 && i < n && p.Errs[i] != nil {
			cs = append(cs, culprit{i, printable(p.Errs[i])})
		}
	}
	return cs
}

// failed is step.failed for an element that may be a batch whose error names members. The others
// have succeeded and are passed on. It returns the element of the next attempt and sets *v to it.
func (h *handling[T, U]) failed(w *worker, r *record, v *T, attempt int, f failing, bisects bool) (rest *record, next int) {
	if cs := h.named(r, v, f.err); cs != nil {
		h.passOthers(w, r, v, cs)
		return h.decideEach(w, r, v, attempt, f, cs)
	}
	divisible := bisects && h.divides(r, v, f.err)
	return r, h.st.failed(w, r, attempt, f.took, f.err, divisible, func() any { return *v })
}

// named returns the members of a batch that err names. It returns nil if *v is no batch that can be
// split.
func (h *handling[T, U]) named(r *record, v *T, err error) []culprit {
	if h.pass == nil || r.joined == nil || r.joined.holds.Load() != 1 {
		return nil
	}
	n := len(r.joined.members)
	if _, ok := r.joined.subset(*v, []int{n - 1}); !ok {
		return nil
	}
	return culprits(err, n)
}

// passOthers passes on the members that are no culprits.
func (h *handling[T, U]) passOthers(w *worker, r *record, v *T, cs []culprit) {
	var good []int
	for i := range r.joined.members {
		if len(cs) > 0 && cs[0].i == i {
			cs = cs[1:]
		} else {
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		return
	}
	vals, _ := r.joined.subset(*v, good)
	g, group := vals.(T), w.group
	h.pass(w, r.join(good), &g)
	w.group = group
}

// decideEach asks the policies about each culprit, by its own error: one that is permanent says
// nothing about another. Those to retry are tried together, after the longest of their waits. Those
// that are postponed wait before, and are tried apart from them, with all their attempts.
func (h *handling[T, U]) decideEach(w *worker, r *record, v *T, attempt int, f failing, cs []culprit) (rest *record, next int) {
	group := w.group
	waited, cs := h.waitOut(w, r, v, attempt, f, cs)
	w.holds(nil)
	var again []int
	var longest verdict
	for _, c := range cs {
		one := r.join([]int{c.i})
		if w.stops(one) { // one before it was given up
			h.st.leave(w, one)
			continue
		}
		value, _ := r.joined.subset(*v, []int{c.i})
		d := h.st.decide(w, one, attempt, f.took, c.err, false, func() any { return value }, nil)
		if !d.again {
			continue
		}
		if len(again) == 0 || d.wait > longest.wait {
			longest = d
		}
		again = append(again, c.i)
	}
	some := func(members []int) (*record, T) { // nil if none of them may be processed further
		if len(members) == 0 {
			return nil, *v
		}
		one := r.join(members)
		if w.stops(one) {
			h.st.leave(w, one)
			return nil, *v
		}
		vals, _ := r.joined.subset(*v, members)
		return one, vals.(T)
	}
	one, vals := some(waited)
	switch {
	case len(again) > 0:
	case one == nil:
		return nil, 0
	default:
		*v = vals
		return one, attempt
	}
	if one != nil {
		if one = h.from(w, one, &vals, attempt); one != nil {
			h.pass(w, one, &vals)
		}
		w.group = group
	}
	if rest, *v = some(again); rest == nil || !h.st.waitAgain(w, rest, longest) {
		return nil, 0
	}
	return rest, attempt + 1
}

// waitOut waits with the culprits that are postponed. It returns those to try again, and the
// culprits left to the policies.
func (h *handling[T, U]) waitOut(w *worker, r *record, v *T, attempt int, f failing, cs []culprit) (waited []int, left []culprit) {
	var first *PostponedError
	var one culprit
	for _, c := range cs {
		p := postponed(c.err)
		if p == nil {
			left = append(left, c)
			continue
		}
		if first == nil {
			first, one = p, c
		}
		waited = append(waited, c.i)
	}
	if first == nil {
		return nil, cs
	}
	some := r.join(waited)
	if w.stops(some) {
		h.st.leave(w, some)
		return nil, left
	}
	again, bad := h.st.postpone(w, some, func() Failure {
		vals, _ := r.joined.subset(*v, waited)
		return h.st.failures(some, attempt, f.took, one.err, func() any { return vals })[0]
	}, first)
	switch {
	case again:
		return waited, left
	case bad == nil:
		return nil, left
	}
	for k := range cs {
		if cs[k].i == one.i {
			cs[k].err = bad
		}
	}
	return nil, cs
}
