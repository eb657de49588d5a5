package stream

import (
	"context"
	"slices"
)

// What is finished goes at once: at the end of a run and of an assignment.

// urge makes whatever is finished of partitions go at once.
func (t *transactions) urge(ps []*part) {
	t.mu.Lock()
	for _, p := range ps {
		turnOf(p).urgent = true
	}
	t.mu.Unlock()
	t.wakeUp()
}

// now writes what is finished of partitions, and waits until that is committed or halted, or ctx
// ends.
func (t *transactions) now(ctx context.Context, ps []*part) error {
	for {
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

// last is now for partitions that are about to go.
func (t *transactions) last(drain, commit context.Context, ps []*part) error {
	err := t.now(commit, ps)
	if err != nil {
		t.giveUp(ps, err)
	}
	t.tellGroup(drain, ps)
	return err
}

// giveUp ends the transactions of partitions that are about to go, and waits for that a while: one
// that is committed in the end is better known to be.
func (t *transactions) giveUp(ps []*part, cause error) {
	tps := make([]TopicPartition, len(ps))
	for i, p := range ps {
		tps[i] = p.tp
		// no other is started
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

// pending reports whether something finished of partitions is still to be written, and when to look
// again. What a halt or a failure keeps back is not: that was said.
func (t *transactions) pending(ps []*part) (left bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		tn := turnOf(p)
		if s := p.status(); !s.isReleased() {
			left = left || tn.cancel != nil || s.writes() && t.resultsOf(p).end(tn.from, p.led.Watermark()) > tn.from
		}
	}
	return left, t.changed
}

// cancel ends the transactions of partitions that are under way. It does not wait.
func (t *transactions) cancel(ps []*part, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		if turnOf(p).cancel != nil {
			turnOf(p).cancel(cause)
		}
	}
}
