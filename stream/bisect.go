package stream

import (
	"math/bits"
	"time"
)

// halving is the search for the culprits among the members of a batch that has failed: see Bisect.
// Where order counts, members are decided about before one behind them is tried; where it does not,
// that waits until it shows whether anything of the batch succeeds at all.
type halving struct {
	n, attempt int
	loose      bool // no order is kept
	// calls the step for the members from lo to before hi
	call func(lo, hi int) (outcome, failing)
	// has the policies decide about members
	settle func(suspect)

	calls int     // how many more it may make
	last  failing // of any of its parts
	some  bool    // of its parts have succeeded
	over  bool    // all of it has been dealt with
	late  []suspect
}

// failing is what a call of many has come to.
type failing struct {
	err  error
	took time.Duration
}

func (f failing) text() string { return f.err.Error() }

// suspect is members of a batch that the policies will decide about.
type suspect struct {
	lo, hi, attempt int
	failing
}

// outcome is what a call of a part has come to.
type outcome uint8

const (
	partPassed outcome = iota
	partFailed         // and does not say who is to blame
	partNamed          // it does
	partOfAll          // it is nobody's failure: see IsWhole
	partLeft           // the partition is gone, or frozen: what was not dealt with was given back
)

// mostCalls is how many calls a search among n may make: twice what a culprit needs, and some.
func mostCalls(n int) int { return 4*bits.Len(uint(max(n-1, 0))) + 8 }

// search deals with all members, which have failed together.
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

// divide tries the halves of members that have failed together.
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
		s.rest(lo, 1) // it has attempts of its own
	case partNamed:
		s.decide(suspect{lo, hi, s.attempt, s.last})
	case partFailed:
		s.divide(lo, hi)
	}
}

// rest ends the search: what has not been dealt with is one again.
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
