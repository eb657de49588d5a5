package stream

import (
	"context"
	"time"
)

// A transaction that has used its attempts up, and whose error neither names its culprit nor is the
// whole's, is made in halves, until the culprit stands alone. Partitions are told apart first, then
// prefixes are cut where a transaction may end. Each part is a transaction like any other, so what
// is left of a culprit is committed before it is known, and what is right of it is due again.

// search is the search for the culprits of a failed transaction.
type search struct {
	t     *transactions
	ctx   context.Context
	calls int  // how many more it may make
	some  bool // of the parts were committed
	over  bool // a part has said that it is not for it to say
	found []found
}

// found is a culprit, or what could not be divided any further, and its failure.
type found struct {
	pre *prefix
	failing
}

// bisect finds what keeps a transaction from being written, and has the policies decide about that
// alone.
func (t *transactions) bisect(x *txn, guilty []*prefix, err error, took time.Duration) {
	n := resultsIn(guilty)
	t.run.emit(StepEvent{t.st.name, "bisected", "a transaction of " + counted(n, "result") + " has failed: its halves are tried", err})
	s := &search{t: t, ctx: x.ctx, calls: mostCalls(n)}
	s.divide(guilty, failing{err, took})
	if !s.some && !s.over && alike(s.found) { // whatever partition is tried: it is nobody's failure
		s.found = nil
		for _, pre := range guilty {
			s.found = append(s.found, found{pre, failing{err, took}})
		}
	}
	for _, f := range s.found {
		t.decide(f.pre, f.err, f.took, false)
	}
}

// divide tries the halves of what has failed.
func (s *search) divide(pres []*prefix, f failing) {
	left, right := halves(pres)
	if left == nil || s.calls == 0 {
		s.find(pres, f)
		return
	}
	if written := s.try(left); written || len(pres) > 1 { // else the right one begins behind a hole
		s.try(right)
	}
}

// try makes a transaction of a part.
func (s *search) try(pres []*prefix) (written bool) {
	if s.over || s.calls == 0 {
		return false
	}
	s.calls--
	x := &txn{s.ctx, pres}
	took, err := s.t.make(x)
	switch {
	case err == nil:
		s.some = true
		s.t.succeed(x, took)
		return true
	case s.t.excused(x, err):
		s.over = true
	case IsWhole(err): // it has attempts of its own
		s.over = true
		for _, pre := range pres {
			pre.attempt = 1
		}
		s.find(pres, failing{err, took})
	case names(err, pres):
		s.find(blame(err, pres), failing{err, took})
	default:
		s.divide(pres, failing{err, took})
	}
	return false
}

func (s *search) find(pres []*prefix, f failing) {
	for _, pre := range pres {
		s.found = append(s.found, found{pre, f})
	}
}

// halves divides what has failed: partitions from each other, one where a transaction may end, as
// near its middle as that is. nil: it cannot be divided.
func halves(pres []*prefix) (left, right []*prefix) {
	if n := len(pres); n > 1 {
		return pres[:n/2], pres[n/2:]
	}
	pre := pres[0]
	best, at, hi := 0, int64(0), int64(-1)
	for i, r := range pre.recs {
		lo, last := r.ends()
		if i > 0 && lo.offset() > hi && (best == 0 || i <= len(pre.recs)/2) {
			best, at = i, lo.offset()
		}
		hi = max(hi, last.offset())
	}
	if best == 0 {
		return nil, nil
	}
	return []*prefix{pre.cut(0, best, pre.from, at)}, []*prefix{pre.cut(best, len(pre.recs), at, pre.next)}
}

// cut is some of the results of a prefix, as a prefix.
func (pre *prefix) cut(lo, hi int, from, next int64) *prefix {
	return &prefix{part: pre.part, from: from, next: next, recs: pre.recs[lo:hi], outs: pre.outs.slice(lo, hi), attempt: pre.attempt}
}

// resultsIn is how many results prefixes have.
func resultsIn(pres []*prefix) (n int) {
	for _, pre := range pres {
		n += len(pre.recs)
	}
	return n
}
