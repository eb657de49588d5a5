package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// fail lets the policies decide about the partitions that are to blame; the others are due again,
// without them, when the transaction has ended. What they would give up for good is searched for
// its culprit first.
func (t *transactions) fail(x *txn, err error, took time.Duration) {
	t.again(x)
	if t.excused(x, err) {
		return
	}
	left, _ := halves(x.pres)
	divisible := left != nil && resultsIn(x.pres) > 0 && !names(err, x.pres) && !IsWhole(err)
	var guilty []*prefix
	for _, pre := range blame(err, x.pres) {
		if t.decide(pre, err, took, divisible) {
			guilty = append(guilty, pre)
		}
	}
	if len(guilty) > 0 {
		t.bisect(x, guilty, err, took)
	}
}

// excused reports whether a failure is no business of the policies, and does what follows from it.
func (t *transactions) excused(x *txn, err error) bool {
	if x.ctx.Err() != nil {
		return true // a partition was lost, or the run is over: that says nothing of the others
	}
	if errors.Is(err, ErrStaleGroup) {
		t.mu.Lock()
		for _, pre := range x.pres {
			// the source may hear of it later than the transactor
			turnOf(pre.part).retryAt = time.Now().Add(commitRetry)
		}
		t.mu.Unlock()
		return true
	}
	lost := fencedOf(err, x.pres)
	for p := range lost {
		t.fenced(p, err)
	}
	return lost != nil
}

// again makes what was in a transaction due once more.
func (t *transactions) again(x *txn) {
	t.mu.Lock()
	for _, pre := range x.pres {
		turnOf(pre.part).urgent = true
	}
	t.mu.Unlock()
}

// decide asks the policies below CommitWith about what a transaction could not write of a
// partition. Where it is divisible, they decide about a retry alone: true, if there is none.
func (t *transactions) decide(pre *prefix, err error, took time.Duration, divisible bool) (divide bool) {
	p, tn := pre.part, turnOf(pre.part)
	if p.status().isReleased() {
		return false
	}
	t.mu.Lock()
	tn.failures = pre.attempt
	t.mu.Unlock()
	f := Failure{Meta: Meta{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: pre.from}, Step: t.st.name, Attempts: pre.attempt, Duration: took, Err: err}
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
			tn.retryAt = time.Now().Add(wait)
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

// fatal ends the run: nothing more of the partition is written, then.
func (t *transactions) fatal(p *part, f Failure) {
	p.setStatus(func(s status) status { return s.withLife(draining).withHalted(byTransaction) })
	p.freeAcks()
	t.st.fatal(f)
}

// fenced begins a partition anew that somebody else has written for; the oftener that happens in a
// row, the later.
func (t *transactions) fenced(p *part, err error) {
	t.mu.Lock()
	t.fences[p.tp]++
	n := t.fences[p.tp]
	t.mu.Unlock()
	t.restart(p, err, commitBackoff(n))
}

// restart lets a partition go, and has the source begin it again where the last transaction ended.
func (t *transactions) restart(p *part, cause error, after time.Duration) {
	t.run.lose(cause, []*part{p})
	switch {
	case p.restart == nil:
		t.run.fail(fmt.Errorf("%s: %v has to begin again, which its source cannot do (Assignment.Restart): %w", t.st.name, p.tp, cause))
		return
	case t.run.phase() == finishing:
		t.run.fail(fmt.Errorf("%s: %v has to begin again, and its source has ended: run the pipeline again: %w", t.st.name, p.tp, cause))
		return
	}
	t.run.spawn(func() {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-t.run.sourceCtx.Done():
			return
		case <-t.stopped:
			return
		}
		t.await(t.run.sourceCtx, []TopicPartition{p.tp}) // what is under way may be written yet
		t.mu.Lock()
		from := turnOf(p).from
		t.mu.Unlock()
		p.restart(from)
	})
}
