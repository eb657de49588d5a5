package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const maxOffset = math.MaxInt64

var (
	errTxnOver = errors.New("the transaction is over")
	errSplit   = errors.New("a result that is held back stands for this record and for others, so that they are all worked on again")
)

// txn is a transaction under way.
type txn struct {
	ctx  context.Context // ends when a partition of it is let go, or the run is over
	pres []*prefix
}

// start begins a transaction. The caller holds mu.
func (t *transactions) start(pres []*prefix) {
	ctx, cancel := context.WithCancelCause(t.run.commitCtx)
	for _, pre := range pres {
		pre.part.turn.cancel = cancel
		t.under[pre.part.tp] = true
	}
	t.run.spawn(func() {
		defer cancel(errTxnOver)
		x := &txn{ctx, pres}
		began := clock()
		err := t.attempt(x)
		t.end(x, err, clock()-began)
	})
}

// attempt has the transaction committed, dressed as a step's call on the records whose results it holds.
func (t *transactions) attempt(x *txn) error {
	var group GroupMetadata
	if g, ok := t.run.src.source().(GroupSource); ok {
		group = g.GroupMetadata()
	}
	all := &record{part: x.pres[0].part, joint: &joint{}, after: true} // its context is the run's: the transaction's own ends it
	attempt := 1
	t.mu.Lock()
	for _, pre := range x.pres {
		all.joint.members = append(all.joint.members, pre.recs...)
		attempt = max(attempt, pre.part.turn.failures+1)
	}
	t.mu.Unlock()
	if len(all.joint.members) == 0 { // offsets alone have no record whose call it could be
		ctx, cancel := t.st.timed(x.ctx)
		defer cancel()
		return t.tx.commit(ctx, x.pres, group)
	}
	_, err := t.st.dressed(all, attempt, func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(errTxnOver)
		defer context.AfterFunc(x.ctx, func() { cancel(context.Cause(x.ctx)) })()
		return t.tx.commit(ctx, x.pres, group)
	})
	return err
}

// end notes how a transaction went, and wakes who waits for that.
func (t *transactions) end(x *txn, err error, took time.Duration) {
	if err == nil {
		t.succeed(x, took)
	} else {
		t.fail(x, err, took)
	}
	t.mu.Lock()
	for _, pre := range x.pres {
		pre.part.turn.cancel = nil
		delete(t.under, pre.part.tp)
	}
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
	t.wakeUp()
}

func (t *transactions) succeed(x *txn, took time.Duration) {
	offsets := map[TopicPartition]int64{}
	t.mu.Lock()
	for _, pre := range x.pres {
		tn := &pre.part.turn
		tn.from = pre.next // of one that is gone too: there it begins again
		if pre.part.flags.Load()&gone == 0 {
			tn.failures, tn.retryAt = 0, time.Time{}
			delete(t.fences, pre.part.tp)
			offsets[pre.part.tp] = pre.next
		}
	}
	t.mu.Unlock()
	if len(offsets) > 0 {
		t.run.emit(Committed{offsets, took}) // before what follows from it
	}
	for _, pre := range x.pres {
		p := pre.part
		if offset, ok := offsets[p.tp]; ok {
			p.kept.Add(-t.resultsOf(p).drop(offset))
			t.grouped.add(p, offset)
			p.acked(offset)
		}
	}
}

// fail lets the policies decide about the partitions that are to blame; the others are due again, without them.
func (t *transactions) fail(x *txn, err error, took time.Duration) {
	if x.ctx.Err() != nil {
		t.again(x) // a partition was lost, or the run is over: that says nothing of the others
		return
	}
	if errors.Is(err, ErrStaleGroup) {
		t.mu.Lock()
		for _, pre := range x.pres {
			pre.part.turn.retryAt = time.Now().Add(commitRetry) // the source may hear of it later than the transactor
		}
		t.mu.Unlock()
		t.again(x)
		return
	}
	if lost := fencedOf(err, x.pres); lost != nil {
		t.again(x)
		for p := range lost {
			t.fenced(p, err)
		}
		return
	}
	guilty := blame(err, x.pres)
	t.again(x)
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
		pre.part.turn.urgent = true
	}
	t.mu.Unlock()
}

// decide asks the policies below CommitWith about a partition whose transaction failed.
func (t *transactions) decide(pre *prefix, at int, err error, took time.Duration) {
	p, tn := pre.part, &pre.part.turn
	if p.flags.Load()&gone != 0 {
		return
	}
	t.mu.Lock()
	tn.failures++
	attempt := tn.failures
	t.mu.Unlock()
	f := Failure{Meta: Meta{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: pre.from}, Step: t.st.name, Attempts: attempt, Took: took, Err: err}
	var ctx context.Context = p.ctx
	if len(pre.recs) > 0 {
		r := pre.recs[at]
		f = t.st.failures(r, attempt, took, err, func() any { return pre.value(at) })[0]
		ctx = r
	}
	t.run.emit(AttemptFailed{f})
	for _, pol := range t.st.policies {
		match, bad := pol.takes(err)
		if bad != nil {
			f.Err = errors.Join(f.Err, bad)
		}
		if !match {
			continue
		}
		if pol.kind == retryPolicy {
			if IsPermanent(err) || attempt >= pol.retry.attempts() {
				continue
			}
			wait, bad := pol.backoff(attempt)
			if bad != nil {
				f.Err = errors.Join(f.Err, bad)
				continue
			}
			t.st.watch(ctx, pol, f)
			t.run.emit(Retrying{f, wait})
			t.mu.Lock()
			tn.retryAt = time.Now().Add(wait)
			t.mu.Unlock()
			return
		}
		t.st.watch(ctx, pol, f)
		if pol.kind == haltPolicy {
			p.freezeWith(f, unwritten)
			p.freeAcks()
			return
		}
		break
	}
	p.raise(closing | unwritten)
	p.freeAcks()
	t.run.emit(Failed{f})
	t.run.fail(&StepError{f.Step, f.Meta.Topic, f.Meta.Partition, f.Meta.Offset, f.Attempts, f.Err})
}

// fenced begins a partition anew that somebody else has written for; the oftener that happens in a row, the later.
func (t *transactions) fenced(p *part, err error) {
	t.mu.Lock()
	t.fences[p.tp]++
	n := t.fences[p.tp]
	t.mu.Unlock()
	t.restart(p, err, backoff(n))
}

// restart lets a partition go, and has the source begin it again where the last transaction ended.
func (t *transactions) restart(p *part, cause error, after time.Duration) {
	t.run.lose(cause, []*part{p})
	switch {
	case p.again == nil:
		t.run.fail(fmt.Errorf("%s: %v has to begin again, which its source cannot do (Assignment.Again): %w", t.st.name, p.tp, cause))
		return
	case t.run.state.Load()&finishing != 0:
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
		case <-t.stop:
			return
		}
		t.await(t.run.sourceCtx, []TopicPartition{p.tp}) // what is under way may be written yet
		t.mu.Lock()
		from := p.turn.from
		t.mu.Unlock()
		p.again(from)
	})
}

// restored is assignments as the transactor has them: where it has stored an offset, that counts.
func (t *transactions) restored(ctx context.Context, as []Assignment) ([]Assignment, error) {
	if t == nil || len(as) == 0 {
		return as, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sinkTime)
	defer cancel()
	defer context.AfterFunc(t.run.sourceCtx, cancel)()
	tps := make([]TopicPartition, len(as))
	for i, a := range as {
		tps[i] = a.TopicPartition
	}
	grace, stop := context.WithTimeout(ctx, handlerGrace)
	t.await(grace, tps) // what is under way of an assignment that was lost may be written yet
	stop()
	at, err := t.tx.restore(ctx, tps)
	if err != nil {
		return nil, fmt.Errorf("%s: asking where to go on in %v: %w", t.st.name, tps, err)
	}
	out := make([]Assignment, len(as))
	for i, a := range as {
		if offset, ok := at[a.TopicPartition]; ok {
			a.Next, a.Committed = offset, offset
		}
		out[i] = a
	}
	return out, nil
}
