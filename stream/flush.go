package stream

import (
	"context"
	"slices"
	"time"
)

// Commits at the end of a run or an assignment.

// urge has all that is finished of partitions committed at once.
func (t *transactions) urge(ps []*part) {
	t.mu.Lock()
	for _, p := range ps {
		txnStateOf(p).urgent = true
		t.news.add(p)
	}
	t.mu.Unlock()
	t.wakeUp()
}

// now commits the finished results of partitions. It waits until they are committed, a halt
// prevents it, or ctx ends.
func (t *transactions) now(ctx context.Context, ps []*part) error {
	for {
		for _, p := range ps {
			t.look(p) // the goroutine that reconciles p may be about to
		}
		t.urge(ps)
		left, changed := t.pending(ps)
		if !left {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// last is now before partitions are released. It gives up what now could not commit, and tells the
// group the final offsets.
func (t *transactions) last(drain, commit context.Context, ps []*part) error {
	t.mu.Lock()
	for _, p := range ps {
		if txnStateOf(p).refusals > 0 {
			txnStateOf(p).retryAt = time.Time{} // the drain does not wait to be refused once more
		}
	}
	t.mu.Unlock()
	err := t.now(commit, ps)
	if err != nil {
		t.giveUp(ps, err)
	}
	t.tellGroup(drain, ps)
	return err
}

// giveUp cancels the transactions of partitions before they are released. It waits a moment for
// their end, since one of them may still have been committed, which should be known.
func (t *transactions) giveUp(ps []*part, cause error) {
	tps := make([]TopicPartition, len(ps))
	for i, p := range ps {
		tps[i] = p.tp
		// start no other transaction
		p.setStatus(func(s status) status { return s.withHalted(byTransaction) })
	}
	t.cancel(ps, cause)
	grace, cancel := context.WithTimeout(context.Background(), handlerGrace)
	defer cancel()
	t.await(grace, tps)
}

// await waits until none of the partitions is in a transaction, or ctx ends.
func (t *transactions) await(ctx context.Context, tps []TopicPartition) {
	for {
		t.mu.Lock()
		under, changed := slices.ContainsFunc(tps, func(tp TopicPartition) bool { return t.under[tp] }), t.changed
		t.mu.Unlock()
		if !under {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// pending reports whether finished results of partitions are still to be committed. changed is
// closed when that may have changed. Results that a halt or failure holds back do not count, since
// their event was sent.
func (t *transactions) pending(ps []*part) (left bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		ts := txnStateOf(p)
		if s := p.status(); !s.isReleased() {
			left = left || ts.cancel != nil || s.writes() && (ts.haltsChanged || t.resultsOf(p).end(ts.from, p.led.Watermark()) > ts.from)
		}
	}
	return left, t.changed
}

// cancel cancels the transactions of partitions in flight. It does not wait.
func (t *transactions) cancel(ps []*part, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		if txnStateOf(p).cancel != nil {
			txnStateOf(p).cancel(cause)
		}
	}
}
