package stream

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A partition of CommitWith starts where its transactor says. Until the transactor has answered,
// the partition has no room: it is not read, and it can be revoked or lost as ever. Waiting loses
// nothing, so no number of failed attempts ends it.

// restoring describes the wait. Guarded by part.mu.
type restoring struct {
	step     string
	since    time.Time
	failures int
	err      error // of the last attempt
}

// restore asks where to go on in ps until it is told, or none of them waits any more. assigned is
// closed once observers have heard of the assignment: what follows from an answer comes later.
func (t *transactions) restore(ctx context.Context, ps []*part, assigned <-chan struct{}) {
	ctx, cancel := whileAssigned(ctx, ps)
	defer cancel()
	defer context.AfterFunc(t.run.sourceCtx, cancel)() // a drain begins nothing
	for attempt := 1; ; attempt++ {
		ps = slices.DeleteFunc(slices.Clone(ps), func(p *part) bool { return p.ctx.Err() != nil })
		if len(ps) == 0 {
			return
		}
		began := clock()
		at, err := t.askWhere(ctx, ps)
		took := clock() - began
		<-assigned
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			for _, p := range ps {
				t.restored(p, at)
			}
			return
		case IsPermanent(err):
			t.run.fail(fmt.Errorf("%s: %v: %w", t.st.name, ps[0].tp, err))
			return
		}
		timer := time.NewTimer(t.restoreLater(ps, attempt, took, err))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// whileAssigned returns a context that ends with the last of ps.
func whileAssigned(ctx context.Context, ps []*part) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var left atomic.Int64
	left.Store(int64(len(ps)))
	stops := make([]func() bool, len(ps))
	for i, p := range ps {
		stops[i] = context.AfterFunc(p.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// restoreTime bounds an attempt to learn where to go on, unless the step has a Timeout.
const restoreTime = 10 * time.Second

var errRestoreTime = fmt.Errorf("there was no answer within %v: %w", restoreTime, context.DeadlineExceeded)

// askWhere is one attempt to learn where to go on.
func (t *transactions) askWhere(ctx context.Context, ps []*part) (map[TopicPartition]Position, error) {
	ctx, cancel := t.st.timed(ctx)
	if t.st.timeout <= 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, restoreTime, errRestoreTime)
	}
	defer cancel()
	tps, ids := make([]TopicPartition, len(ps)), make(map[TopicPartition]TopicID, len(ps))
	for i, p := range ps {
		tps[i], ids[p.tp] = p.tp, p.topic
	}
	grace, stop := context.WithTimeout(ctx, handlerGrace)
	t.await(grace, tps) // what is under way of an assignment that was lost may be written yet
	stop()
	at, err := t.tx.restore(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("asking where to go on: %w", err)
	}
	return at, nil
}

// restored opens a partition: where the transactor has stored an offset, that offset counts.
func (t *transactions) restored(p *part, at map[TopicPartition]Position) {
	was, stored := at[p.tp]
	recreated := stored && was.TopicID.differs(p.topic)
	stored = stored && !recreated
	offset := was.Offset
	if stored {
		t.mu.Lock() // a transaction must not see one without the other
		turnOf(p).from = offset
		p.led.Start(offset)
		t.mu.Unlock()
	}
	p.mu.Lock()
	behind, moved := stored && p.committed != offset, stored && p.next != offset
	if stored {
		p.next, p.committed = offset, offset
	}
	turnOf(p).restoring = nil
	p.mu.Unlock()
	if behind {
		t.grouped.add(p, offset)
	}
	if recreated && p.ctx.Err() == nil {
		t.run.emit(TopicRecreated{p.tp, was.Offset, was.TopicID, p.topic})
	}
	if moved && p.ctx.Err() == nil {
		t.run.emit(SourceEvent{TopicPartition: p.tp, Name: "offset restored", Text: fmt.Sprintf("%s has stored offset %d", t.st.name, offset)})
	}
	p.full.Store(true)
	p.setStatus(func(s status) status { return s &^ unplaced })
	p.changed()
}

// restoreLater tells of a failed attempt and returns the wait before the next one. It is that of
// RetryOnError, whose count of attempts does not apply.
func (t *transactions) restoreLater(ps []*part, attempt int, took time.Duration, err error) time.Duration {
	f := Failure{Step: t.st.name, Attempts: attempt, Duration: took, Err: err}
	pol, wait := t.restoreWait(f)
	for _, p := range ps {
		p.mu.Lock()
		if turnOf(p).restoring != nil {
			turnOf(p).restoring.failures, turnOf(p).restoring.err = attempt, err
		}
		next := p.next
		p.mu.Unlock()
		if p.ctx.Err() != nil {
			continue
		}
		f.Meta = Meta{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: next}
		t.run.emit(AttemptFailed{f})
		if pol != nil {
			t.st.watch(p.ctx, pol, f)
		}
		t.run.emit(Retrying{f, wait})
	}
	return wait
}

// restoreWait finds the RetryOnError that takes a failure; nil: there is none, and the wait is
// ours.
func (t *transactions) restoreWait(f Failure) (*policy, time.Duration) {
	for _, pol := range t.st.policies {
		if pol.kind != retryPolicy {
			continue
		}
		if match, bad := pol.takes(f.Err); !match || bad != nil {
			continue
		}
		if wait, bad := pol.backoff(f); bad == nil {
			return pol, max(wait, commitRetry)
		}
	}
	return nil, commitBackoff(f.Attempts)
}

// restores is waiting as Explain shows it.
func (t *transactions) restores(p *part) *hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := turnOf(p).restoring
	if w == nil {
		return nil
	}
	return &hold{cause: CauseRestore, step: w.step, since: w.since, last: Failure{Step: w.step, Attempts: w.failures, Err: w.err}}
}

// waiting says why a partition does not start; nil: it has.
func (t *transactions) waiting(p *part) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := turnOf(p).restoring
	if w == nil {
		return nil
	}
	const text = "%v has been waiting since %s for %s to say where it goes on"
	since, step := w.since.Format(time.RFC3339), w.step
	if w.err == nil {
		return fmt.Errorf(text, p.tp, since, step)
	}
	return fmt.Errorf(text+"; %s failed, the last: %w", p.tp, since, step, attempts(w.failures), w.err)
}
