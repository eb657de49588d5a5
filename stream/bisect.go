package stream

import (
	"math/bits"
	"time"
)

// halving searches for the culprits among the members of a failed batch: see Bisect. If order
// matters, the policies decide about a member before a later one of its lane is tried. If not, they
// decide at the end of the search, which shows whether any member succeeds at all.
type halving struct {
	n, attempt int
	loose      bool                                // order does not matter
	call       func(lo, hi int) (outcome, failing) // calls the step for members [lo, hi)
	settle     func(suspect)                       // asks the policies about members
	other      int                                 // the first member of another lane than the first; 0: none

	calls  int     // remaining calls
	first  failing // the failure of all members
	last   failing // the last failure of a part
	some   bool    // a part has succeeded or was given up, or its culprits are known
	judged bool    // the policies have decided about a member
	over   bool    // no member is left to try
	late   []suspect
}

// failing is the failure of a call for several members.
type failing struct {
	err  error
	took time.Duration
}

func (f failing) text() string { return f.err.Error() }

// suspect is the members [lo, hi) of a batch, for the policies to decide about.
type suspect struct {
	lo, hi, attempt int
	failing
}

// outcome is the result of a call for a part of the batch.
type outcome uint8

const (
	partPassed outcome = iota // or was given up: it is parked, or the partition is halted or released
	partFailed                // the error names no culprit
	partNamed                 // the error names the culprits
	partOfAll                 // the failure is of no single member: see IsWhole
)

// mostCalls returns how many calls a search among n members may make: twice what finding one
// culprit takes, and a few more.
func mostCalls(n int) int { return 4*bits.Len(uint(max(n-1, 0))) + 8 }

// search tries and settles all members, which have failed together.
func (s *halving) search(f failing) {
	s.calls, s.first, s.last = mostCalls(s.n), f, f
	s.divide(0, s.n)
	if !s.some && alike(s.late) {
		s.late = []suspect{{0, s.n, s.attempt, f}}
	}
	for _, one := range s.late {
		s.settle(one)
	}
}

// alike reports whether all parts failed with the same text. Then no single member is the culprit.
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

// divide tries the halves of members that failed together.
func (s *halving) divide(lo, hi int) {
	if hi-lo == 1 {
		s.decide(suspect{lo, hi, s.attempt, s.last})
		return
	}
	mid := (lo + hi) / 2
	s.try(lo, mid)
	s.try(mid, hi)
}

func (s *halving) try(lo, hi int) {
	switch {
	case s.over:
		return
	case s.calls == 0:
		s.rest(lo, s.attempt)
		return
	}
	s.calls--
	out, f := s.call(lo, hi)
	if f.err != nil {
		s.last = f
	}
	switch out {
	case partPassed:
		s.some = true
	case partOfAll:
		s.rest(lo, 1) // a failure of the whole has its own count of attempts
	case partNamed:
		s.some = true
		s.decide(suspect{lo, hi, s.attempt, s.last})
	case partFailed:
		s.divide(lo, hi)
	}
}

// rest ends the search. All members from lo on are decided about together.
func (s *halving) rest(lo, attempt int) {
	s.over = true
	s.decide(suspect{lo, s.n, attempt, s.last})
}

func (s *halving) decide(one suspect) {
	switch {
	case s.loose:
		s.late = append(s.late, one)
		return
	case s.ofAll(one):
		one, s.over = suspect{0, s.n, s.attempt, s.first}, true
	}
	s.judged = true
	s.settle(one)
}

// ofAll reports whether no single member is the culprit: none has succeeded, and the first one
// fails like the first of another lane, which may be tried before the policies decide. If all
// members are of one lane, nothing can tell a failure of all from one of the first.
func (s *halving) ofAll(one suspect) bool {
	if s.some || s.judged || s.over || s.other == 0 || s.calls == 0 || !alike([]failing{s.first, one.failing}) {
		return false
	}
	s.calls--
	out, f := s.call(s.other, s.other+1)
	switch out {
	case partPassed:
		s.some = true
	case partOfAll:
		s.attempt, s.first = 1, f
		return true
	case partFailed:
		return alike([]failing{s.first, f})
	}
	return false
}
