package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// fail has the policies decide about the partitions to blame. The others are due again, without
// them, once the transaction has ended. If no retry policy matches and the transaction is
// divisible, fail searches for the culprit first.
func (t *transactions) fail(x *txn, err error, took time.Duration) {
	t.again(x)
	if t.excused(x, err) {
		return
	}
	left, _ := halves(x.pres)
	divisible := left != nil && resultsIn(x.pres) > 0 && !names(err, x.pres) && !IsWhole(err)
	var guilty []*prefix
	for _, f := range blame(failing{err, took}, x.pres) {
		if t.decide(f.pre, f.err, f.took, divisible) {
			guilty = append(guilty, f.pre)
		}
	}
	if len(guilty) > 0 {
		t.bisect(x, guilty, err, took)
	}
}

// excused reports whether a failure does not concern the policies. It handles such a failure.
func (t *transactions) excused(x *txn, err error) bool {
	if x.ctx.Err() != nil {
		return true // a partition was lost or the run ended: the others are not to blame
	}
	if stale, ok := errors.AsType[*StaleGroupError](err); ok {
		t.mu.Lock()
		for p := range namedOf(stale.Partitions, x.pres) {
			// wait, since the source may learn of the rebalance later than the transactor
			txnStateOf(p).retryAt = time.Now().Add(commitRetry)
		}
		t.mu.Unlock()
		return true
	}
	if some, ok := errors.AsType[*CommitError](err); ok && t.refused(x, some) {
		return true
	}
	lost := fencedOf(err, x.pres)
	for p := range lost {
		t.fenced(p, err)
	}
	return lost != nil
}

// refused has partitions wait whose offsets were refused. It returns false if none is of the
// transaction. A drain waits for none of them.
func (t *transactions) refused(x *txn, some *CommitError) (any bool) {
	var wait []*prefix
	for _, pre := range x.pres {
		switch err := some.Errs[pre.part.tp]; {
		case err == nil:
			continue
		case pre.part.status().life() != open:
			t.run.lose(err, []*part{pre.part})
		default:
			wait = append(wait, pre)
		}
		any = true
	}
	told := make([]CommitFailed, len(wait))
	t.mu.Lock()
	most := 0
	for i, pre := range wait {
		p, ts := pre.part, txnStateOf(pre.part)
		ts.refusals++
		most = max(most, ts.refusals)
		told[i] = CommitFailed{p.tp, some.Errs[p.tp], ts.refusals}
		ts.fails(Failure{Meta: p.tp.at(pre.from), Step: t.st.name, Attempts: ts.refusals, Err: told[i].Err})
	}
	until := t.untilRefused(most)
	for _, pre := range wait {
		txnStateOf(pre.part).retryAt = until
	}
	t.mu.Unlock()
	for _, e := range told {
		t.run.emit(e)
	}
	return any
}

// untilRefused returns when partitions are tried again that were refused so many times in a row.
// All wait for the same time, since each try costs a transaction of other partitions too. The
// caller holds mu.
func (t *transactions) untilRefused(times int) time.Time {
	now := time.Now()
	if t.apart || !t.refusedUntil.After(now) {
		t.refusedUntil = now.Add(commitBackoff(times))
	}
	return t.refusedUntil
}

// again makes the partitions of a transaction due again.
func (t *transactions) again(x *txn) {
	t.mu.Lock()
	for _, pre := range x.pres {
		txnStateOf(pre.part).urgent = true
		txnStateOf(pre.part).haltsChanged = txnStateOf(pre.part).haltsChanged || pre.haltsChanged
	}
	t.mu.Unlock()
}

// decide asks the policies of CommitWith about a partition's share of a failed transaction. If it
// is divisible, only a retry policy decides. Without one, decide returns true.
func (t *transactions) decide(pre *prefix, err error, took time.Duration, divisible bool) (divide bool) {
	p, ts := pre.part, txnStateOf(pre.part)
	if p.status().isReleased() {
		return false
	}
	t.mu.Lock()
	ts.failures = pre.attempt
	t.mu.Unlock()
	f := Failure{Meta: p.tp.at(pre.from), Step: t.st.name, Attempts: pre.attempt, Duration: took, Err: err}
	var ctx context.Context = p.ctx
	of := one(pre.from)
	if len(pre.recs) > 0 {
		fs := t.st.failures(pre.recs[0], pre.attempt, took, err, func() any { return pre.outs.value(0) })
		f = slices.MinFunc(fs, func(a, b Failure) int { return cmp.Compare(a.Meta.Offset, b.Meta.Offset) })
		left, _ := halves([]*prefix{pre})
		ctx, of = pre.recs[0], suspects{joined: left == nil}
		for _, r := range pre.recs {
			of.add(r)
		}
	}
	fs := []Failure{f}
	t.run.emit(AttemptFailed{fs[0]})
	for pol, wait := range t.st.takers(fs) {
		if divisible && pol.kind != retryPolicy {
			return true
		}
		t.st.watch(ctx, pol, fs...)
		switch pol.kind {
		case retryPolicy:
			t.run.emit(Retrying{fs[0], wait})
			t.mu.Lock()
			ts.retryAt = time.Now().Add(wait)
			ts.fails(fs[0])
			t.mu.Unlock()
			return false
		case haltPolicy:
			p.freeze(fs[0], of, byTransaction, pol.resumeAfter)
			p.freeAcks()
			return false
		case failPolicy:
			t.fatal(p, fs[0])
			return false
		}
	}
	if !divisible {
		t.fatal(p, fs[0])
	}
	return divisible
}

// fatal ends the run. No more transaction of the partition is started.
func (t *transactions) fatal(p *part, f Failure) {
	p.setStatus(func(s status) status { return s.withLife(draining).withHalted(byTransaction) })
	p.freeAcks()
	t.st.fatal(f)
}

// fenced restarts a partition after another owner has written for it. The wait before grows with
// each such failure in a row.
func (t *transactions) fenced(p *part, err error) {
	t.mu.Lock()
	t.fences[p.tp]++
	n := t.fences[p.tp]
	t.mu.Unlock()
	t.restart(p, err, commitBackoff(n))
}

// restart loses a partition and has the source assign it again from the end of the last
// transaction.
func (t *transactions) restart(p *part, cause error, after time.Duration) {
	t.run.lose(cause, []*part{p})
	over := func() bool {
		ph := t.run.phase()
		switch {
		case t.run.assignedSince(p):
			return true // and has asked the transactor where to start
		case p.restart == nil:
			t.run.fail(fmt.Errorf("%s: %v has to restart, but its source cannot restart it (Assignment.Restart) [LW222]: %w", t.st.name, p.tp, cause))
			return true
		case ph == finishing || ph == working && t.run.inlets[p.source].ended.Load():
			t.run.fail(fmt.Errorf("%s: %v has to restart, but its source is exhausted: run the pipeline again [LW222]: %w", t.st.name, p.tp, cause))
			return true
		}
		return false
	}
	if over() {
		return
	}
	t.run.spawn(func() {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-t.run.sourceCtx.Done():
			return
		case <-t.stopped: // the run has ended without it
			over()
			return
		}
		t.await(t.run.sourceCtx, []TopicPartition{p.tp}) // its last transaction may still be committed
		if over() {
			return
		}
		t.mu.Lock()
		from := txnStateOf(p).from
		t.mu.Unlock()
		t.run.call("Restart of an Assignment", func() { p.restart(from) })
	})
}
