package stream

import (
	"context"
	"time"
)

// A transaction that has used up its attempts is divided in halves until the culprit is alone,
// unless its error names the culprit or is of the whole transaction. Partitions are separated
// first. Then a prefix is cut at an offset where a transaction may end. Each part is an ordinary
// transaction, so results before a culprit are committed during the search. Results after it are
// due again.

// search searches for the culprits of a failed transaction.
type search struct {
	t     *transactions
	ctx   context.Context
	calls int  // remaining calls
	some  bool // a part was committed, or its culprits are known
	over  bool // a part failed in a way that is not of its results
	found []found
}

// found is a part that cannot be divided further, such as a culprit, and its failure.
type found struct {
	pre *prefix
	failing
}

// bisect finds the culprits of a failed transaction and has the policies decide about them alone.
// guilty are the partitions that have used up their attempts. The others may be to blame too, so
// guilty are first tried without them.
func (t *transactions) bisect(x *txn, guilty []*prefix, err error, took time.Duration) {
	n := resultsIn(guilty)
	t.run.emit(StepEvent{t.st.name, "bisected", "a transaction of " + counted(n, "result") + " failed: trying its halves", err})
	s := &search{t: t, ctx: x.ctx, calls: mostCalls(n)}
	if len(guilty) < len(x.pres) {
		s.try(guilty)
	} else {
		s.divide(guilty, failing{err, took})
	}
	s.absolve(guilty, failing{err, took})
	for _, f := range s.found {
		t.decide(f.pre, f.err, f.took, false)
	}
}

// absolve replaces what was found by all of guilty if all parts have failed alike, since no single
// one is the culprit then. In one partition, order keeps back all parts but the first, and a
// transaction without results tells whether any succeeds.
func (s *search) absolve(guilty []*prefix, all failing) {
	switch {
	case s.some || s.over:
		return
	case len(s.found) == 1:
		pre := s.found[0].pre
		all = s.found[0].failing
		if s.lost([]*prefix{pre}) {
			return
		}
		x := &txn{s.ctx, []*prefix{pre.cut(0, 0, pre.from, pre.from)}}
		took, err := s.t.make(x)
		switch {
		case err == nil:
			return
		case s.t.excused(x, err):
			s.found = nil // due again
			return
		case IsWhole(err):
			all, guilty[0].attempt = failing{err, took}, 1
		case !alike([]failing{all, {err, took}}):
			return
		}
	case !alike(s.found):
		return
	}
	s.found = nil
	s.find(guilty, all)
}

// divide tries the halves of a failed part.
func (s *search) divide(pres []*prefix, f failing) {
	left, right := halves(pres)
	if left == nil || s.calls == 0 {
		s.find(pres, f)
		return
	}
	if written := s.try(left); written || len(pres) > 1 { // in one partition, right must follow left
		s.try(right)
	}
}

// try commits a part as a transaction.
func (s *search) try(pres []*prefix) (written bool) {
	if s.over || s.calls == 0 {
		return false
	}
	if s.lost(pres) {
		s.over = true
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
	case IsWhole(err): // a failure of the whole has its own count of attempts
		s.over = true
		for _, pre := range pres {
			pre.attempt = 1
		}
		s.find(pres, failing{err, took})
	case names(err, pres):
		s.some = true
		s.found = append(s.found, blame(failing{err, took}, pres)...)
	default:
		s.divide(pres, failing{err, took})
	}
	return false
}

// lost reports whether a partition of the transaction was lost.
func (s *search) lost(pres []*prefix) bool {
	return (&txn{s.ctx, pres}).loseExpired() != nil
}

func (s *search) find(pres []*prefix, f failing) {
	for _, pre := range pres {
		s.found = append(s.found, found{pre, f})
	}
}

// halves divides a failed part. It separates partitions first. It cuts a single partition at the
// offset nearest below the middle where a transaction may end, or at the first one above. It
// returns nil if the part cannot be divided.
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

// cut returns a prefix with some of the results.
func (pre *prefix) cut(lo, hi int, from, next int64) *prefix {
	return &prefix{part: pre.part, from: from, next: next, recs: pre.recs[lo:hi], outs: pre.outs.slice(lo, hi), attempt: pre.attempt}
}

// resultsIn returns how many results prefixes have.
func resultsIn(pres []*prefix) (n int) {
	for _, pre := range pres {
		n += len(pre.recs)
	}
	return n
}
