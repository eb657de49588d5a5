package stream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// fail lets the policies decide about the partitions that are to blame; the others are due again,
// without them, when the transaction has ended.
func (t *transactions) fail(x *txn, err error, took time.Duration) {
	t.again(x)
	if x.ctx.Err() != nil {
		return // a partition was lost, or the run is over: that says nothing of the others
	}
	if errors.Is(err, ErrStaleGroup) {
		t.mu.Lock()
		for _, pre := range x.pres {
			// the source may hear of it later than the transactor
			turnOf(pre.part).retryAt = time.Now().Add(commitRetry)
		}
		t.mu.Unlock()
		return
	}
	if lost := fencedOf(err, x.pres); lost != nil {
		for p := range lost {
			t.fenced(p, err)
		}
		return
	}
	guilty := blame(err, x.pres)
	for _, pre := range x.pres {
		if at, ok := guilty[pre.part]; ok {
			t.decide(pre, at, err, took)
		}
	}
}

// again makes what was in a transaction due once more.
func (t *transactions) again(x *txn) {
	t.mu.Lock()
	for _, pre := range x.pres {
		turnOf(pre.part).urgent = true
	}
	t.mu.Unlock()
}

// decide asks the policies below CommitWith about a partition whose transaction failed.
func (t *transactions) decide(pre *prefix, at int, err error, took time.Duration) {
	p, tn := pre.part, turnOf(pre.part)
	if p.status().isReleased() {
		return
	}
	t.mu.Lock()
	tn.failures++
	attempt := tn.failures
	t.mu.Unlock()
	fs := []Failure{{Meta: Meta{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: pre.from}, Step: t.st.name, Attempts: attempt, Duration: took, Err: err}}
	var ctx context.Context = p.ctx
	if len(pre.recs) > 0 {
		r := pre.recs[at]
		fs = t.st.failures(r, attempt, took, err, func() any { return pre.value(at) })[:1]
		ctx = r
	}
	t.run.emit(AttemptFailed{fs[0]})
	for pol, wait := range t.st.takers(fs) {
		t.st.watch(ctx, pol, fs...)
		switch pol.kind {
		case retryPolicy:
			t.run.emit(Retrying{fs[0], wait})
			t.mu.Lock()
			tn.retryAt = time.Now().Add(wait)
			tn.fails(fs[0])
			t.mu.Unlock()
			return
		case haltPolicy:
			p.freeze(fs[0], byTransaction, pol.resumeAfter)
			p.freeAcks()
			return
		case failPolicy:
			t.fatal(p, fs[0])
			return
		}
	}
	t.fatal(p, fs[0])
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
