package stream

import (
	"math/bits"
	"time"
)

// A batch that has used its attempts up, and whose error neither names its culprits nor is the
// whole's, is worked on in halves until they stand alone: see Bisect. Where order counts, an element
// is decided about before one behind it is tried; where it does not, that waits until it shows
// whether anything of the batch succeeds at all.

// failing is what a call of many has come to.
type failing struct {
	err  error
	took time.Duration
}

// halving is the search for the culprits of a batch.
type halving[T, U any] struct {
	*handling[T, U]
	w       *worker
	r       *record // the batch
	v       T
	group   uint64
	attempt int
	calls   int // how many more it may make
	some    bool
	over    bool    // all of it has been dealt with
	last    failing // of any of its parts
	loose   bool    // no order is kept
	late    []suspect
}

// suspect is members of a batch that the policies will decide about.
type suspect struct {
	lo, hi, attempt int
	failing
}

// divides reports whether a failed element is a batch to be divided.
func (h *handling[T, U]) divides(r *record, v *T, err error) bool {
	if !h.st.node.opts.bisect || r.joint == nil || len(r.joint.members) < 2 || r.joint.holds.Load() != 1 {
		return false
	}
	_, ok := r.joint.subset(*v, []int{len(r.joint.members) - 1})
	return ok && !IsWhole(err) && !h.named(err, len(r.joint.members))
}

// named reports whether an error says itself which of n members have failed.
func (h *handling[T, U]) named(err error, n int) bool {
	return h.pass != nil && failedOf(err, n) != nil
}

// bisect deals with all members of a failed batch.
func (h *handling[T, U]) bisect(w *worker, r *record, v *T, attempt int, f failing) {
	n := len(r.joint.members)
	h.st.run.emit(StepEvent{h.st.name, "bisected", "a batch of " + counted(n, "element") + " has failed: its halves are tried", f.err})
	s := &halving[T, U]{handling: h, w: w, r: r, v: *v, group: w.group, attempt: attempt, calls: mostCalls(n), last: f}
	s.loose = h.st.stage.lanes == loose && !h.st.stage.plan.keepOrder
	s.divide(0, n)
	if !s.some && alike(s.late) {
		s.late = []suspect{{0, n, attempt, f}}
	}
	for _, one := range s.late {
		s.settle(one)
	}
}

// mostCalls is how many calls a search among n may make: twice what a culprit needs, and some.
func mostCalls(n int) int { return 4*bits.Len(uint(max(n-1, 0))) + 8 }

// alike reports whether whatever was tried has failed in the same way: that is nobody's failure.
func alike[F interface{ text() string }](all []F) bool {
	if len(all) < 2 {
		return false
	}
	for _, f := range all {
		if f.text() != all[0].text() {
			return false
		}
	}
	return true
}

func (f failing) text() string { return f.err.Error() }

// divide tries the halves of members that have failed together.
func (s *halving[T, U]) divide(lo, hi int) {
	if hi-lo == 1 {
		s.decide(suspect{lo, hi, s.attempt, s.last})
		return
	}
	mid := (lo + hi) / 2
	s.try(lo, mid)
	s.try(mid, hi)
}

// try calls the step for some members.
func (s *halving[T, U]) try(lo, hi int) {
	switch {
	case s.over:
		return
	case s.calls == 0:
		s.rest(lo, s.attempt)
		return
	}
	part, v := s.part(lo, hi)
	if s.w.stops(part) {
		s.leave(lo)
		return
	}
	s.calls--
	s.w.group = s.group
	took, err := s.once(part, &v, s.attempt)
	if err == nil && !part.counts() {
		s.leave(lo)
		return
	}
	if err == nil {
		s.some = true
		s.on(s.w, part, &v)
		return
	}
	s.last = failing{err, took}
	switch {
	case IsWhole(err):
		s.rest(lo, 1) // it has attempts of its own
	case s.named(err, hi-lo):
		s.decide(suspect{lo, hi, s.attempt, s.last})
	default:
		s.divide(lo, hi)
	}
}

// rest ends the search: what has not been dealt with is one again.
func (s *halving[T, U]) rest(lo, attempt int) {
	s.over = true
	s.decide(suspect{lo, len(s.r.joint.members), attempt, s.last})
}

// leave gives the rest back unfinished.
func (s *halving[T, U]) leave(lo int) {
	s.over = true
	rest, _ := s.part(lo, len(s.r.joint.members))
	s.st.leave(s.w, rest)
}

func (s *halving[T, U]) decide(one suspect) {
	if s.loose {
		s.late = append(s.late, one)
		return
	}
	s.settle(one)
}

// settle has the policies decide about members, and goes on with them where these want that.
func (s *halving[T, U]) settle(one suspect) {
	part, v := s.part(one.lo, one.hi)
	if s.w.stops(part) {
		s.st.leave(s.w, part)
		return
	}
	s.w.group = s.group
	if s.pass != nil {
		part = splitFailed(s.w, part, &v, one.err, s.pass)
	}
	next := s.st.failed(s.w, part, one.attempt, one.took, one.err, false, func() any { return v })
	if part = s.from(s.w, part, &v, next); part != nil {
		s.w.group = s.group
		s.on(s.w, part, &v)
	}
}

// part is some members as a batch.
func (s *halving[T, U]) part(lo, hi int) (*record, T) {
	members := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		members = append(members, i)
	}
	v, _ := s.r.joint.subset(s.v, members)
	return s.r.join(members), v.(T)
}
