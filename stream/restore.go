package stream

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// With CommitWith a partition starts at the offset that its transactor has stored. Until the
// transactor has returned it, the partition has no room and is not read. It can be revoked or lost
// as usual. Waiting loses nothing, so the attempts are not limited.

// restoring describes the wait. It is guarded by part.mu.
type restoring struct {
	step     string
	since    time.Time
	failures int
	err      error // of the last attempt
}

// restore asks the transactor for the offsets of ps until it answers or no partition waits anymore.
// assigned is closed once observers have heard of the assignment, so that events about the answer
// come later.
func (t *transactions) restore(ctx context.Context, ps []*part, assigned <-chan struct{}) {
	ctx, cancel := whileAssigned(ctx, ps)
	defer cancel()
	defer context.AfterFunc(t.run.sourceCtx, cancel)() // a drain starts no partition
	for attempt := 1; ; attempt++ {
		ps = slices.DeleteFunc(slices.Clone(ps), func(p *part) bool { return p.ctx.Err() != nil })
		if len(ps) == 0 {
			return
		}
		began := clock()
		at, err := t.askWhere(ctx, ps, attempt)
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

// restoreTime limits one attempt of restore if the step has no Timeout.
const restoreTime = 10 * time.Second

var errRestoreTime = fmt.Errorf("no answer within %v: %w", restoreTime, context.DeadlineExceeded)

// askWhere makes one attempt to get the stored offsets.
func (t *transactions) askWhere(ctx context.Context, ps []*part, attempt int) (map[TopicPartition]Position, error) {
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
	t.await(grace, tps) // a transaction of a lost assignment may still be committed
	stop()
	if t.st.timeout > 0 {
		o, at := t.run.overruns, ps[0].tp.at(ps[0].fetched())
		defer o.leave(o.enter(&attemptOf{st: t.st, r: joinedRecord(ps[0], &joined{mixed: true}), n: attempt}, &at))
	}
	at, err := t.tx.restore(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("restoring offsets: %w", err)
	}
	return at, nil
}

// restored opens a partition. An offset that the transactor has stored overrides the group's.
func (t *transactions) restored(p *part, at map[TopicPartition]Position) {
	was, stored := at[p.tp]
	recreated := stored && was.TopicID.differs(p.topic)
	stored = stored && !recreated
	offset := was.Offset
	if stored {
		t.mu.Lock() // a transaction must see both changes or none
		txnStateOf(p).from = offset
		p.led.Start(offset)
		t.mu.Unlock()
	}
	p.mu.Lock()
	behind, moved := stored && p.committed != offset, stored && p.next != offset
	from := p.ahead.assigned // of the group
	if stored {
		p.next, p.committed = offset, offset
		from.Next, from.Committed, from.State, from.LogEnd = offset, offset, was.State, maxOffset
	}
	txnStateOf(p).restoring = nil
	err := p.inheritHalts(from)
	p.mu.Unlock()
	if behind {
		t.grouped[p.source].add(p, offset)
	}
	if recreated && p.ctx.Err() == nil {
		t.run.emit(TopicRecreated{p.tp, was.Offset, was.TopicID, p.topic})
	}
	if moved && p.ctx.Err() == nil {
		t.run.emit(SourceEvent{TopicPartition: p.tp, Name: "offset restored", Text: fmt.Sprintf("%s has stored offset %d", t.st.name, offset)})
	}
	if err != nil && p.ctx.Err() == nil {
		t.run.emit(stateDropped(p.tp, from.Committed, err))
	}
	p.tellRestored()
	p.full.Store(true)
	p.setStatus(func(s status) status { return s &^ unplaced })
	p.changed()
}

// restoreLater emits a failed attempt and returns the wait before the next one. The wait is that of
// RetryOnError, whose limit of attempts does not apply.
func (t *transactions) restoreLater(ps []*part, attempt int, took time.Duration, err error) time.Duration {
	f := Failure{Step: t.st.name, Attempts: attempt, Duration: took, Err: err}
	pol, wait := t.restoreWait(f)
	for _, p := range ps {
		p.mu.Lock()
		if txnStateOf(p).restoring != nil {
			txnStateOf(p).restoring.failures, txnStateOf(p).restoring.err = attempt, err
		}
		next := p.next
		p.mu.Unlock()
		if p.ctx.Err() != nil {
			continue
		}
		f.Meta = p.tp.at(next)
		t.run.emit(AttemptFailed{f})
		if pol != nil {
			t.st.watch(p.ctx, pol, f)
		}
		t.run.emit(Retrying{f, wait})
	}
	return wait
}

// restoreWait returns the RetryOnError that matches a failure and its wait. If none matches, it
// returns nil and the wait of a refused commit.
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

// restores is waiting in the form that Explain shows.
func (t *transactions) restores(p *part) *hold {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := txnStateOf(p).restoring
	if w == nil {
		return nil
	}
	return &hold{cause: CauseRestore, step: w.step, since: w.since, last: Failure{Step: w.step, Attempts: w.failures, Err: w.err}}
}

// waiting returns why a partition has not started, or nil if it has.
func (t *transactions) waiting(p *part) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := txnStateOf(p).restoring
	if w == nil {
		return nil
	}
	const text = "%v has been waiting since %s for %s to restore its offset [LW221]"
	since, step := w.since.Format(time.RFC3339), w.step
	if w.err == nil {
		return fmt.Errorf(text, p.tp, since, step)
	}
	return fmt.Errorf(text+"; %s failed, the last: %w", p.tp, since, step, attempts(w.failures), w.err)
}
