package stream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/fifo"
)

// txnState is the transaction state of a partition.
type txnState struct {
	finished atomic.Int64 // records finished since its last transaction started
	gaps     atomic.Int64 // advances over offsets without records since then
	since    atomic.Int64 // when the first of these came, in Unix nanoseconds
	overdue  atomic.Bool  // all of these are above an unfinished record, and wait has passed
	done     slabs        // finished slabs with results that wait for a transaction

	restoring *restoring // nil once the first offset is known; guarded by part.mu

	// guarded by transactions.mu
	from         int64                   // first offset of the next transaction
	cancel       context.CancelCauseFunc // cancels the transaction in flight; nil if there is none
	began        time.Time               // start of the transaction in flight
	tried        time.Time               // start of its attempt in progress; zero: none
	failures     int                     // in a row
	refusals     int                     // in a row, of its offset alone: see refused
	last         Failure                 // the latest failed or postponed attempt; no Err: none
	failing      time.Time               // time of the first of these
	retryAt      time.Time               // earliest next attempt
	urgent       bool                    // commit all that has finished at once
	haltsChanged bool                    // a halt started or ended: store that at once
	candidate    bool                    // in transactions.candidates
	counted      int64                   // records below this offset were counted by a transaction
	written      int64                   // records subtracted from finished so far
}

// txnStateOf returns the transaction state of a partition in a chain with CommitWith.
func txnStateOf(p *part) *txnState { return p.commit.(*txnState) }

// slabs holds the values of slabs that the ledger has removed.
type slabs struct {
	mu  sync.Mutex // guards all; a leaf
	all fifo.Queue[values]
}

func (s *slabs) add(payload any) {
	s.mu.Lock()
	s.all.Push(payload.(values))
	s.mu.Unlock()
}

// forget releases the values of slabs below an offset.
func (s *slabs) forget(below int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.all.Empty() && s.all.First().last() < below {
		s.all.Pop().forget()
	}
}

// count notes that a transaction takes a prefix. It returns how many of its finished records no
// earlier transaction counted. below is how many records are below mark. If the prefix ends before
// mark, only its records with results are known. The others count for a later transaction, which is
// due sooner for it. count returns at most told, the value of finished, since the watermark may
// have passed records that are not in finished yet.
func (ts *txnState) count(pre *prefix, mark, below, told int64) (records int64) {
	if pre.next <= ts.counted { // a retry
		return 0
	}
	switch {
	case pre.next == mark:
		records = below - ts.written
	case pre.from >= ts.counted:
		records = int64(pre.records)
	}
	records = min(records, told)
	ts.written += records
	ts.counted = pre.next
	return records
}

// forget subtracts the count of a released partition from the total. It holds mu, so that it does
// not run while take subtracts a part of the count.
func (t *transactions) forget(p *part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.Add(-txnStateOf(p).finished.Swap(0))
}

// waiting reports whether finished records or offsets without records wait for a transaction.
func (ts *txnState) waiting() bool { return ts.finished.Load()+ts.gaps.Load() > 0 }

// isIdle reports whether there is nothing for a transaction. The caller holds transactions.mu.
func (ts *txnState) isIdle() bool {
	return !ts.waiting() && !ts.urgent && !ts.haltsChanged && ts.failures == 0
}

// finish returns how an element ends. If size is 1, an element that moves the watermark over its
// result holds its lane until it is committed. An element without a result does not.
func (t *transactions) finish() finish {
	if t.size != 1 {
		return done
	}
	return t.awaitWrite
}

// awaitWrite ends an element and waits for its transaction.
func (t *transactions) awaitWrite(w *worker, r *record) {
	p := r.part
	_, end := r.ends()
	last := end.offset()
	r.done()
	if !t.resultsOf(p).due(r, p.led.Watermark()) {
		// an earlier record or another one of its result is unfinished, and may be next in this
		// lane
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
			// The commit waits for the end of the halt. That waits until this lane drops its queue,
			// so the lane must be given back.
			return
		}
		select {
		case <-committed:
		case <-p.ctx.Done():
		}
	})
}

// holds returns since when a transaction of the partition is in flight, or when the next one is
// due.
func (t *transactions) holds(p *part) *hold {
	if h := t.restores(p); h != nil {
		return h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ts := txnStateOf(p)
	h := &hold{cause: CauseTransaction, step: t.st.name, since: ts.began, until: ts.retryAt, last: ts.last}
	if ts.last.Err != nil {
		h.since = ts.failing
	} else if !t.under[p.tp] {
		return nil
	}
	h.tried, h.timeout = ts.tried, t.st.timeout
	return h
}

// fails notes an attempt at a transaction that failed or was postponed. The caller holds mu.
func (ts *txnState) fails(f Failure) {
	if ts.last.Err == nil {
		ts.failing = time.Now()
	}
	ts.last = f
}

// release cancels the transaction of a released partition and drops its results, for which nothing
// waits any longer.
func (t *transactions) release(p *part, cause error) {
	t.forget(p)
	t.cancel([]*part{p}, cause)
	p.kept.Add(-t.resultsOf(p).drop(maxOffset))
	t.mu.Lock()
	t.news.remove(p)
	t.candidates = slices.DeleteFunc(t.candidates, func(q *part) bool { return q == p })
	t.announce()
	t.mu.Unlock()
	t.wakeUp()
}

// resumed drops the results of records that are reprocessed, which will produce them again. If such
// a result also covers records that are not reprocessed (split), it cannot be divided, and the
// partition must restart.
func (t *transactions) resumed(p *part, again map[int64]bool, end haltEnd) (instead func()) {
	rs, skipped := t.resultsOf(p), map[int64]bool{}
	for _, offset := range end.among {
		if end.skips(offset) {
			skipped[offset] = true
			delete(again, offset)
		}
	}
	forgotten, split := rs.forget(again, false)
	t.mu.Lock()
	ts := txnStateOf(p)
	ts.failures, ts.retryAt, ts.urgent, ts.last = 0, time.Time{}, true, Failure{}
	t.mu.Unlock()
	// a result that no transaction can write goes as a whole
	given, _ := rs.forget(skipped, !end.byTx)
	p.tellSkipped(given, end)
	for _, r := range append(forgotten, given...) {
		p.kept.Add(-r.size())
	}
	t.news.add(p)
	t.wakeUp()
	if split {
		return func() { t.restart(p, errSplit, 0) }
	}
	return nil
}
