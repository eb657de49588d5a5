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
	errTxnOver = errors.New("the transaction is over [LW230]")
	errSplit   = errors.New("a result held back is of this record and of others, so all of them are reprocessed [LW231]")
)

// txn is a transaction in flight.
type txn struct {
	ctx  context.Context // cancelled when one of its partitions is released or the run ends
	pres []*prefix
}

// launch starts a transaction. The caller holds mu.
func (t *transactions) launch(pres []*prefix) {
	ctx, cancel := context.WithCancelCause(t.run.commitCtx)
	for _, pre := range pres {
		pre.attempt = txnStateOf(pre.part).failures + 1
		txnStateOf(pre.part).cancel, txnStateOf(pre.part).began = cancel, time.Now()
		t.under[pre.part.tp] = true
	}
	t.run.spawn(func() {
		defer cancel(errTxnOver)
		x := &txn{ctx, pres}
		if took, err := t.make(x); err == nil {
			t.succeed(x, took)
		} else {
			t.fail(x, err, took)
		}
		t.end(x)
	})
}

// make commits a transaction. It repeats attempts that were postponed.
func (t *transactions) make(x *txn) (took time.Duration, err error) {
	began := clock()
	err = t.attempt(x)
	for p := postponed(err); p != nil; p = postponed(err) {
		if err = t.postpone(x, err, p); err == nil {
			err = t.attempt(x)
		}
	}
	return clock() - began, err
}

// attempt commits the transaction as one call of the step, for the records of its results.
func (t *transactions) attempt(x *txn) error {
	if err := x.loseExpired(); err != nil {
		return err
	}
	var groups map[string]GroupMetadata
	if err := guarded(func() error { groups = x.groups(); return nil }); err != nil {
		return fmt.Errorf("the GroupMetadata of a source: %w", err)
	}
	// mixed, so its context is the run's, which x.ctx cancels below
	all := joinedRecord(x.pres[0].part, &joined{mixed: true, members: make([]*record, 0, resultsIn(x.pres))})
	attempt := 1
	for _, pre := range x.pres {
		all.joined.members = append(all.joined.members, pre.recs...)
		attempt = max(attempt, pre.attempt)
	}
	t.tries(x, time.Now())
	defer t.tries(x, time.Time{})
	if len(all.joined.members) == 0 { // offsets alone: there is no record to make the call for
		ctx, cancel := t.st.timed(x.ctx)
		defer cancel()
		if t.st.timeout > 0 {
			o, at := t.run.overruns, x.pres[0].part.tp.at(x.pres[0].from)
			defer o.leave(o.enter(&attemptOf{st: t.st, r: all, n: attempt}, &at))
		}
		return t.tx.commit(ctx, x.pres, groups)
	}
	_, err := t.st.dressed(all, attempt, func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(errTxnOver)
		defer context.AfterFunc(x.ctx, func() { cancel(context.Cause(x.ctx)) })()
		return t.tx.commit(ctx, x.pres, groups)
	})
	return err
}

// tries notes when the attempt in progress began.
func (t *transactions) tries(x *txn, at time.Time) {
	t.mu.Lock()
	for _, pre := range x.pres {
		txnStateOf(pre.part).tried = at
	}
	t.mu.Unlock()
}

// groups returns the groups of the transaction's sources, by their names.
func (x *txn) groups() map[string]GroupMetadata {
	groups := map[string]GroupMetadata{}
	for _, pre := range x.pres {
		in := pre.part.host.(*inlet)
		if _, asked := groups[in.id]; asked {
			continue
		}
		if g, ok := in.source().(GroupSource); ok {
			groups[in.id] = g.GroupMetadata()
		}
	}
	return groups
}

// postpone waits after a postponed attempt.
func (t *transactions) postpone(x *txn, err error, p *PostponedError) error {
	pre := x.pres[0]
	tp := pre.part.tp
	f := Failure{Meta: tp.at(pre.from), Step: t.st.name, Attempts: pre.attempt, Err: err}
	t.mu.Lock()
	for _, pre := range x.pres {
		txnStateOf(pre.part).fails(f)
	}
	t.mu.Unlock()
	return t.run.holdUp(x.ctx, f, p)
}

// loseExpired loses partitions whose assignment has expired, which cancels the transaction.
func (x *txn) loseExpired() error {
	for _, pre := range x.pres {
		pre.part.loseIfExpired()
	}
	return x.ctx.Err()
}

// end frees the partitions of a transaction and wakes goroutines that wait for its end.
func (t *transactions) end(x *txn) {
	t.mu.Lock()
	for _, pre := range x.pres {
		txnStateOf(pre.part).cancel = nil
		delete(t.under, pre.part.tp)
	}
	t.announce()
	t.mu.Unlock()
	for _, pre := range x.pres {
		if p := t.run.part(pre.part.tp); p != nil { // it may be assigned again by now
			t.news.add(p)
		}
	}
	t.run.call("StateBytes of the transactor", t.limitStates) // it may have learned a lower limit
	t.wakeUp()
}

// announce wakes goroutines that wait for changed. The caller holds mu.
func (t *transactions) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *transactions) succeed(x *txn, took time.Duration) {
	offsets := map[TopicPartition]int64{}
	t.mu.Lock()
	for _, pre := range x.pres {
		ts := txnStateOf(pre.part)
		ts.from = pre.next // of a released one too: restart starts there
		if !pre.part.status().isReleased() {
			ts.failures, ts.refusals, ts.retryAt, ts.last = 0, 0, time.Time{}, Failure{}
			delete(t.fences, pre.part.tp)
			offsets[pre.part.tp] = pre.next
		}
	}
	t.mu.Unlock()
	if len(offsets) > 0 {
		t.run.emit(Committed{offsets, took}) // before events that follow from it
	}
	for _, pre := range x.pres {
		p := pre.part
		if offset, ok := offsets[p.tp]; ok {
			p.kept.Add(-t.resultsOf(p).drop(offset))
			txnStateOf(p).done.forget(offset)
			t.grouped[p.source].add(p, offset)
			p.acked(offset)
		}
	}
}
