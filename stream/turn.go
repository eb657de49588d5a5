package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/fifo"
)

// turn is where a partition stands with its transactions.
type turn struct {
	finished atomic.Int64 // records since its last transaction began
	gaps     atomic.Int64 // moves over offsets without records since then
	since    atomic.Int64 // when the first of them came, in Unix nanoseconds
	overdue  atomic.Bool  // all of them lie behind something unfinished, and wait has passed
	done     slabs        // finished, with results that wait for a transaction

	restoring *restoring // nil once its start is known; guarded by part.mu

	// Guarded by transactions.mu.
	from     int64                   // where the next transaction begins
	cancel   context.CancelCauseFunc // ends the one under way; nil: there is none
	began    time.Time               // of the one under way
	failures int                     // in a row
	last     Failure                 // of the latest attempt that failed, or was none; no Err: none
	failing  time.Time               // since the first of them
	retryAt  time.Time               // not to be tried before
	urgent   bool                    // whatever there is goes now
	counted  int64                   // the records below it were counted by a transaction
	written  int64                   // how many are not in finished any more
}

// turnOf is where a partition of a chain with CommitWith stands.
func turnOf(p *part) *turn { return p.commit.(*turn) }

// slabs are the values of slabs that the ledger has forgotten.
type slabs struct {
	mu  sync.Mutex // guards all; a leaf
	all fifo.Queue[values]
}

func (s *slabs) add(payload any) {
	s.mu.Lock()
	s.all.Push(payload.(values))
	s.mu.Unlock()
}

// forget lets go of those that lie below an offset.
func (s *slabs) forget(below int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.all.Empty() && s.all.First().last() < below {
		s.all.Pop().forget()
	}
}

// count notes that a transaction takes a prefix, and returns how many finished records are new in
// it: below lie below mark. Where the prefix ends before mark only those with results are known;
// the rest counts with a later one, which is due the sooner for it. Of told, which finished says,
// none more is taken: the watermark may have passed records that it does not say yet.
func (tn *turn) count(pre *prefix, mark, below, told int64) (records int64) {
	if pre.next <= tn.counted { // it is tried again
		return 0
	}
	switch {
	case pre.next == mark:
		records = below - tn.written
	case pre.from >= tn.counted:
		records = int64(pre.records)
	}
	records = min(records, told)
	tn.written += records
	tn.counted = pre.next
	return records
}

// forget takes the count of a partition that is gone out of the total, not while a transaction
// takes its part of it.
func (t *transactions) forget(p *part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.Add(-turnOf(p).finished.Swap(0))
}

// waited reports whether what has finished has waited that long; if not, it says when it will have.
func (tn *turn) waited(wait time.Duration, now time.Time, later func(time.Time)) bool {
	when := time.Unix(0, tn.since.Load()).Add(wait)
	if now.Before(when) {
		later(when)
		return false
	}
	return true
}

// finish ends an element. Where size is 1, the one that moves the watermark holds its lane until it
// is committed; one that came to nothing does not.
func (t *transactions) finish(w *worker, r *record) {
	if t.size != 1 {
		r.done()
		return
	}
	p := r.part
	_, end := r.ends()
	last := end.offset()
	r.done()
	if !t.resultsOf(p).due(r, p.led.Watermark()) {
		// something before it, or one with it, is unfinished, and may be behind it in its lane
		return
	}
	committed := p.ackOf(last)
	if committed == nil {
		return
	}
	stop := p.stopped()
	w.waitFor(beforeItIsWritten, func() {
		select {
		case <-committed:
			return
		case <-stop:
		case <-p.ctx.Done():
		}
		if p.status().halted() != notHalted {
			// nothing is committed before the halt ends, and that waits until what is queued behind
			// is dropped
			return
		}
		select {
		case <-committed:
		case <-p.ctx.Done():
		}
	})
}

// holds says since when a transaction of the partition is under way, or when the next one is made.
func (t *transactions) holds(p *part) *hold {
	if h := t.restores(p); h != nil {
		return h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tn := turnOf(p)
	h := &hold{cause: CauseTransaction, step: t.st.name, since: tn.began, until: tn.retryAt, last: tn.last}
	if tn.last.Err != nil {
		h.since = tn.failing
	} else if !t.under[p.tp] {
		return nil
	}
	return h
}

// fails notes an attempt at a transaction that failed, or was none. The caller holds mu.
func (tn *turn) fails(f Failure) {
	if tn.last.Err == nil {
		tn.failing = time.Now()
	}
	tn.last = f
}

// release is the end of a partition: its transaction ends, and what was held back goes.
func (t *transactions) release(p *part, cause error) {
	t.forget(p)
	t.cancel([]*part{p}, cause)
	p.kept.Add(-t.resultsOf(p).drop(maxOffset))
	t.wakeUp()
}

// resumed is called when a halted partition goes on. What is worked on again will bring its results
// again; split: what is held back cannot be told apart from them, so that the partition has to
// begin anew.
func (t *transactions) resumed(p *part, again map[int64]bool, end haltEnd) (instead func()) {
	rs, skipped := t.resultsOf(p), map[int64]bool{}
	if end.how == giveUp {
		skipped[end.Meta.Offset] = true
		delete(again, end.Meta.Offset)
	}
	forgotten, split := rs.forget(again, false)
	t.mu.Lock()
	tn := turnOf(p)
	tn.failures, tn.retryAt, tn.urgent, tn.last = 0, time.Time{}, true, Failure{}
	t.mu.Unlock()
	given, _ := rs.forget(skipped, !end.byTx) // what a transaction could not write goes as a whole
	p.tellSkipped(given, end.Halt)
	for _, r := range append(forgotten, given...) {
		p.kept.Add(-r.size())
	}
	t.wakeUp()
	if split {
		return func() { t.restart(p, errSplit, 0) }
	}
	return nil
}
