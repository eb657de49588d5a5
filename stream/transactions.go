package stream

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// transactions is CommitWith at work: it decides when the finished prefix of which partition goes into a transaction. One goroutine decides (loop), one for
// each transaction under way makes it (txn.go). A partition is in one transaction at a time.
type transactions struct {
	run     *run
	st      *step
	tx      transactor
	apart   bool // each partition has transactions of its own
	size    int64
	wait    time.Duration
	most    int           // partitions that take part at a time; 0: all
	grouped *groupOffsets // nil: the transactor stores the group's offsets, or there is nowhere to
	poke    chan struct{} // room for one: there may be something to do; never closed
	stop    chan struct{} // closed by the run
	total   atomic.Int64  // records finished since their last transaction began, of all partitions

	mu      sync.Mutex              // guards what follows, and the turns of all partitions; taken before the ledger's and a results'
	under   map[TopicPartition]bool // in a transaction; one that was let go meanwhile, and is assigned again, has to wait for that one's end
	fences  map[TopicPartition]int  // how often in a row another owner had written
	changed chan struct{}           // closed and replaced when a transaction has ended
}

// turn is where a partition stands with its transactions.
type turn struct {
	finished atomic.Int64 // records since its last transaction began
	since    atomic.Int64 // when the first of them finished, in Unix nanoseconds
	overdue  atomic.Bool  // all of them lie behind something unfinished, and wait has passed

	// Guarded by transactions.mu.
	from     int64                   // where the next transaction begins
	cancel   context.CancelCauseFunc // ends the one under way; nil: there is none
	failures int                     // in a row
	retryAt  time.Time               // not to be tried before
	urgent   bool                    // whatever there is goes now
}

func newTransactions(r *run, n *node) *transactions {
	t := &transactions{run: r, st: r.steps[n], tx: n.transact, size: int64(n.n), wait: n.wait, most: n.opts.maxPartitions,
		poke: make(chan struct{}, 1), stop: make(chan struct{}), changed: make(chan struct{}), fences: map[TopicPartition]int{}, under: map[TopicPartition]bool{}}
	if a, ok := t.tx.is().(interface{ PerPartition() bool }); ok {
		t.apart = a.PerPartition()
	}
	if !n.commitsGroup() && r.src.info().NoCommit == "" {
		t.grouped = newGroupOffsets(r)
	}
	return t
}

// count is called for each record of p that has finished, and where its position moved over none.
func (t *transactions) count(p *part) {
	n, all := p.turn.finished.Add(1), t.total.Add(1)
	if n == 1 {
		p.turn.since.Store(time.Now().UnixNano())
	}
	if p.flags.Load()&gone != 0 { // seen here, or letGo sees what was added
		t.forget(p)
		return
	}
	if n == 1 || (t.apart && n >= t.size || !t.apart && all >= t.size) || p.turn.overdue.Load() || t.crowded(p) {
		t.wakeUp()
	}
}

// forget takes the count of a partition that is gone out of the total, not while a transaction takes its part of it.
func (t *transactions) forget(p *part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total.Add(-p.turn.finished.Swap(0))
}

// crowded reports whether what is held back takes so much of the budget that size may never be reached.
func (t *transactions) crowded(p *part) bool { return p.kept.Load() >= int64(t.run.opts.records+1)/2 }

func (t *transactions) wakeUp() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

func (t *transactions) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if again := t.begin(time.Now()); !again.IsZero() {
			timer.Reset(time.Until(again))
		}
		select {
		case <-t.stop:
			return
		case <-t.poke:
		case <-timer.C:
		}
	}
}

// begin starts the transactions that are due, and tells when to look again; zero: when poked.
func (t *transactions) begin(now time.Time) (again time.Time) {
	all := t.run.all()
	t.mu.Lock()
	defer t.mu.Unlock()
	later := func(at time.Time) {
		if again.IsZero() || at.Before(again) {
			again = at
		}
	}
	if !t.apart && len(t.under) > 0 {
		return again
	}
	var ready []*part // may take part
	due := !t.apart && t.total.Load() >= t.size
	for _, p := range all {
		tn := &p.turn
		switch {
		case t.under[p.tp], p.flags.Load()&(gone|unwritten) != 0:
		case now.Before(tn.retryAt):
			later(tn.retryAt)
		case t.due(p, now, later):
			due = true
			ready = append(ready, p)
		case !t.apart:
			ready = append(ready, p) // where another is due
		}
	}
	if !due {
		return again
	}
	slices.SortStableFunc(ready, func(a, b *part) int { return cmp.Compare(a.turn.since.Load(), b.turn.since.Load()) })
	var pres []*prefix
	for _, p := range ready {
		if t.most > 0 && len(t.under)+len(pres) == t.most {
			break // the others are looked at when a transaction has ended
		}
		if pre := t.take(p, now, later); pre != nil {
			pres = append(pres, pre)
		}
	}
	if !t.apart && len(pres) > 0 {
		t.start(pres)
		return again
	}
	for _, pre := range pres {
		t.start([]*prefix{pre})
	}
	return again
}

// due reports whether the partition is due by itself; if it will be, it says when.
func (t *transactions) due(p *part, now time.Time, later func(time.Time)) bool {
	tn := &p.turn
	n := tn.finished.Load()
	if tn.urgent || tn.failures > 0 || t.crowded(p) || t.apart && n >= t.size {
		return true
	}
	return n > 0 && t.wait > 0 && tn.waited(t.wait, now, later)
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

// barrenWait is how long offsets without results wait for some to go with, at least.
const barrenWait = time.Second

// take makes a partition's part of a transaction; nil: there is none yet. The caller holds mu.
func (t *transactions) take(p *part, now time.Time, later func(time.Time)) *prefix {
	tn := &p.turn
	seen := tn.finished.Load() // before the watermark is read: who finishes later counts for the next one
	tn.overdue.Store(seen > 0) // and pokes, if it is not in this one
	mark := p.led.Watermark()
	if mark <= tn.from {
		return nil
	}
	pre := t.resultsOf(p).prefix(p, tn.from, mark, int(t.size))
	if pre.next == tn.from {
		return nil
	}
	if barren := len(pre.recs) == 0 && !tn.urgent; barren && !tn.waited(max(t.wait, barrenWait), now, later) {
		return nil
	}
	counted := seen - min(seen, pre.left)
	tn.finished.Add(-counted)
	t.total.Add(-counted)
	tn.since.Store(now.UnixNano())
	tn.overdue.Store(false)
	if pre.left == 0 {
		tn.urgent = false
	}
	return pre
}

func (t *transactions) resultsOf(p *part) results { return p.state[t.st.state].(results) }

// urge makes whatever is finished of partitions go at once.
func (t *transactions) urge(ps []*part) {
	t.mu.Lock()
	for _, p := range ps {
		p.turn.urgent = true
	}
	t.mu.Unlock()
	t.wakeUp()
}

// now writes what is finished of partitions, and waits until that is committed or halted, or ctx ends. A nil transactions writes nothing.
func (t *transactions) now(ctx context.Context, ps []*part) error {
	if t == nil {
		return nil
	}
	for {
		t.urge(ps)
		left, changed := t.pending(ps)
		if !left {
			t.grouped.now(ctx, ps)
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// giveUp ends the transactions of partitions that are about to go, and waits for that a while: one that is committed in the end is better known to be.
func (t *transactions) giveUp(ps []*part, cause error) {
	if t == nil {
		return
	}
	tps := make([]TopicPartition, len(ps))
	for i, p := range ps {
		tps[i] = p.tp
		p.flags.Or(unwritten) // no other begins
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

// pending reports whether something finished of partitions is still to be written, and when to look again. What a halt or a failure keeps back is not: that
// was said.
func (t *transactions) pending(ps []*part) (left bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		tn := &p.turn
		if flags := p.flags.Load(); flags&gone == 0 {
			left = left || tn.cancel != nil || flags&unwritten == 0 && t.resultsOf(p).end(tn.from, p.led.Watermark()) > tn.from
		}
	}
	return left, t.changed
}

// cancel ends the transactions of partitions that are under way. It does not wait.
func (t *transactions) cancel(ps []*part, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range ps {
		if p.turn.cancel != nil {
			p.turn.cancel(cause)
		}
	}
}

// hold finishes an element where size is 1: the one that moves the watermark holds its lane until it is committed. One that came to nothing does not.
func (t *transactions) hold(w *worker, r *record) {
	p := r.part
	_, last := r.span()
	r.done()
	if !t.resultsOf(p).due(last, p.led.Watermark()) {
		return // something before it, or one with it, is unfinished, and may be behind it in its lane
	}
	committed := p.ackOf(last + 1)
	if committed == nil {
		return
	}
	stop := p.stopped()
	w.lend(func() {
		select {
		case <-committed:
			return
		case <-stop:
		case <-p.ctx.Done():
		}
		if p.flags.Load()&frozen != 0 {
			return // nothing is committed before the halt ends, and that waits until what is queued behind is dropped
		}
		select {
		case <-committed:
		case <-p.ctx.Done():
		}
	})
}

// letGo is the end of a partition: its transaction ends, and what was held back goes.
func (t *transactions) letGo(p *part, cause error) {
	if t == nil {
		return
	}
	t.forget(p)
	t.cancel([]*part{p}, cause)
	p.kept.Add(-t.resultsOf(p).drop(maxOffset))
	t.wakeUp()
}

// resumed is called when a halted partition goes on. What is worked on again will bring its results again; split: what is held back cannot be told
// apart from them, so that the partition has to begin anew. byTx: the halt is a transaction's.
func (t *transactions) resumed(p *part, again map[int64]bool, h Halt, how resumption, byTx bool) (split bool) {
	if t == nil {
		return false
	}
	rs, skipped := t.resultsOf(p), map[int64]bool{}
	if how == giveUp {
		skipped[h.Meta.Offset] = true
		delete(again, h.Meta.Offset)
	}
	forgotten, split := rs.forget(again, false)
	t.mu.Lock()
	tn := &p.turn
	tn.failures, tn.retryAt, tn.urgent = 0, time.Time{}, true
	t.mu.Unlock()
	given, _ := rs.forget(skipped, !byTx) // what a transaction could not write goes as a whole
	t.tellSkipped(given, h)
	for _, r := range append(forgotten, given...) {
		p.kept.Add(-r.size())
	}
	t.wakeUp()
	return split
}

// tellSkipped says which records are given up besides the halted one: those whose results were one with its.
func (t *transactions) tellSkipped(results []*record, h Halt) {
	for _, r := range results {
		r.leaves(func(l *record) bool {
			if l.offset() != h.Meta.Offset {
				f := h.Failure
				f.Meta = l.meta()
				t.run.emit(Skipped{f})
			}
			return true
		})
	}
}
