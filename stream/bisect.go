package stream

import (
	"math/bits"
	"time"
)

// halving searches for the culprits among the members of a failed batch: see Bisect. If order
// matters, the policies decide about a member before a later one is tried. If not, they decide at
// the end of the search, which shows whether any member succeeds at all.
type halving struct {
	n, attempt int
	loose      bool                                // order does not matter
	call       func(lo, hi int) (outcome, failing) // calls the step for members [lo, hi)
	settle     func(suspect)                       // asks the policies about members

	calls int     // remaining calls
	last  failing // the last failure of a part
	some  bool    // a part has succeeded
	over  bool    // no member is left to try
	late  []suspect
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
	partPassed outcome = iota
	partFailed         // the error names no culprit
	partNamed          // the error names the culprits
	partOfAll          // the failure is of no single member: see IsWhole
	partLeft           // the partition is halted or released: the remaining members were abandoned
)

// mostCalls returns how many calls a search among n members may make: twice what finding one
// culprit takes, and a few more.
func mostCalls(n int) int { return 4*bits.Len(uint(max(n-1, 0))) + 8 }

// search tries and settles all members, which have failed together.
func (s *halving) search(f failing) {
	s.calls, s.last = mostCalls(s.n), f
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
	case partLeft:
		s.over = true
	case partOfAll:
		s.rest(lo, 1) // a failure of the whole has its own count of attempts
	case partNamed:
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
	if s.loose {
		s.late = append(s.late, one)
		return
	}
	s.settle(one)
}
