package stream

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/ledger"
)

// transactions runs CommitWith. One goroutine (loop) decides which partitions' finished prefixes go
// into a transaction and when. Each transaction in flight has a goroutine of its own (txn.go). A
// partition is in one transaction at a time.
type transactions struct {
	run     *run
	st      *step
	tx      transactor
	apart   bool // each partition has its own transactions
	size    int64
	wait    time.Duration
	most    int             // maximum partitions in transactions; 0: no limit
	grouped []*groupOffsets // by source; nil if the transactor stores the group's offsets or the source cannot
	poke    chan struct{}   // capacity 1: wakes the loop; never closed
	stopped chan struct{}   // closed by stop
	total   atomic.Int64    // sum of txnState.finished over all partitions
	news    news            // partitions that may have something to commit

	// guards the fields below and the txnState of each partition; taken before the locks of a ledger
	// and of results
	mu sync.Mutex
	// Partitions in a transaction. One that was released and assigned again in the meantime has to
	// wait until the transaction of its earlier assignment ends.
	under   map[TopicPartition]bool
	fences  map[TopicPartition]int // consecutive transactions fenced by another owner
	changed chan struct{}          // closed and replaced whenever a transaction ends, or a partition is released

	refusedUntil time.Time // when partitions are tried again whose offsets were refused

	candidates []*part   // partitions that had something to commit when the loop last looked
	next       time.Time // when one of them may be due by itself; zero: at no known time
	full       bool      // most keeps some of them waiting
}

func newTransactions(r *run, p *commitPlan) *transactions {
	t := &transactions{run: r, tx: p.transact.(transactor), size: int64(p.n), wait: p.wait,
		poke: make(chan struct{}, 1), stopped: make(chan struct{}), changed: make(chan struct{}), fences: map[TopicPartition]int{}, under: map[TopicPartition]bool{}}
	for n, st := range r.steps {
		if n.commit == p {
			t.st, t.most = st, n.opts.maxPartitions
		}
	}
	if a, ok := t.tx.is().(interface{ PerPartition() bool }); ok {
		t.apart = a.PerPartition()
	}
	t.limitStates()
	g, ok := t.tx.is().(interface{ CommitsGroup() bool })
	for _, in := range r.inlets {
		var group *groupOffsets
		if (!ok || !g.CommitsGroup()) && in.info().NoCommit == "" {
			group = newGroupOffsets(in)
		}
		t.grouped = append(t.grouped, group)
	}
	return t
}

// limitStates notes how large a state the transactor stores.
func (t *transactions) limitStates() {
	for _, in := range t.run.inlets {
		in.stateMax.Store(int64(t.tx.stateBytes()))
	}
}

func (t *transactions) begin(p *part, l *ledger.Ledger) {
	p.commit = &txnState{from: p.next, restoring: &restoring{step: t.st.name, since: time.Now()}}
	l.Finished = func() { t.count(p) }
	l.Forget = txnStateOf(p).done.add // results held back need the lineage of their records
	p.ahead.halting = p.host.stateBytes() > 0
	p.stand(p.status() | unplaced)
}

func (t *transactions) assigned(ctx context.Context, ps []*part, told <-chan struct{}) {
	asking := make(chan struct{})
	t.run.spawn(func() {
		close(asking)
		t.restore(ctx, ps, told)
	})
	<-asking // ask the transactor without waiting for slow observers
}

func (t *transactions) start() {
	t.run.spawn(t.loop)
	for _, g := range t.grouped {
		if g != nil {
			t.run.spawn(func() { g.loop(t.stopped) })
		}
	}
}

func (t *transactions) stop() { close(t.stopped) }

// look lists the partition. It makes a transaction store its halts if one started or ended.
func (t *transactions) look(p *part) {
	urgent := p.ahead.urgent.CompareAndSwap(true, false)
	if urgent {
		t.mu.Lock()
		txnStateOf(p).haltsChanged = true
		t.mu.Unlock()
	}
	t.news.add(p)
	if urgent {
		t.wakeUp()
	}
}

// advanced makes p due after the wait. Offsets without records do not count for the size.
func (t *transactions) advanced(p *part) {
	ts := txnStateOf(p)
	if !ts.waiting() {
		ts.since.Store(time.Now().UnixNano())
	}
	ts.gaps.Add(1)
	t.news.add(p)
	t.wakeUp()
}

// count counts a finished record of p. When it came is noted first, since the count makes a
// transaction due.
func (t *transactions) count(p *part) {
	ts := txnStateOf(p)
	if ts.finished.Load() == 0 {
		ts.since.Store(time.Now().UnixNano())
	}
	n, all := ts.finished.Add(1), t.total.Add(1)
	if p.status().isReleased() { // if not released yet, endAssignment forgets the count added above
		t.forget(p)
		return
	}
	t.news.add(p)
	if n == 1 || (t.apart && n >= t.size || !t.apart && all >= t.size) || ts.overdue.Load() || t.crowded(p) {
		t.wakeUp()
	}
}

// crowded reports whether results held back use so much of the budget that size may never be
// reached.
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
		if again := t.begins(time.Now()); !again.IsZero() {
			timer.Reset(time.Until(again))
		}
		select {
		case <-t.stopped:
			return
		case <-t.poke:
		case <-timer.C:
		}
	}
}

// begins starts the transactions that are due. It returns when the next one may be due, or zero if
// only a poke can tell.
func (t *transactions) begins(now time.Time) (again time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.apart && len(t.under) > 0 {
		return time.Time{} // its end wakes the loop
	}
	if !t.looks(now) {
		return t.next
	}
	var pres []*prefix
	for _, p := range t.ready(now) {
		if t.most > 0 && len(t.under)+len(pres) == t.most {
			t.full = true // the end of one of them wakes the loop
			break
		}
		if pre := t.take(p, now); pre != nil {
			pres = append(pres, pre)
		}
	}
	t.candidates = slices.DeleteFunc(t.candidates, func(p *part) bool { return !txnStateOf(p).candidate })
	if !t.apart && len(pres) > 0 {
		t.launch(pres)
		return t.next
	}
	for _, pre := range pres {
		t.launch([]*prefix{pre})
	}
	return t.next
}

// looks takes in the news, and reports whether a transaction may be due. Without it, each record
// would have the loop ask all partitions that wait. The caller holds mu.
func (t *transactions) looks(now time.Time) (due bool) {
	due = !t.next.IsZero() && !now.Before(t.next) || t.reached() || t.full && len(t.under) < t.most
	for _, p := range t.news.take() {
		if ts := txnStateOf(p); !ts.candidate {
			ts.candidate, t.candidates = true, append(t.candidates, p)
		}
		due = t.due(p, now) || due
	}
	return due
}

// reached reports whether all partitions together have enough for a transaction.
func (t *transactions) reached() bool { return !t.apart && t.total.Load() >= t.size }

// ready returns the partitions that may go into a transaction now, if one is due: those that make
// it due, and those that join them. The caller holds mu.
func (t *transactions) ready(now time.Time) (ps []*part) {
	due := t.reached()
	t.next, t.full = time.Time{}, false
	for _, p := range t.candidates {
		ts := txnStateOf(p)
		switch {
		case t.due(p, now):
			due = true
			ps = append(ps, p)
		case t.under[p.tp], !p.status().writes(), ts.isIdle():
			ts.candidate = false // its end, that of a halt, or the next record lists it again
		case !t.apart && !now.Before(ts.retryAt):
			ps = append(ps, p)
		}
	}
	if !due {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b *part) int { return cmp.Compare(txnStateOf(a).since.Load(), txnStateOf(b).since.Load()) })
	return ps
}

// due reports whether the partition alone makes a transaction due. The caller holds mu.
func (t *transactions) due(p *part, now time.Time) bool {
	ts := txnStateOf(p)
	n := ts.finished.Load()
	switch {
	case t.under[p.tp], !p.status().writes():
		return false
	case now.Before(ts.retryAt):
		t.later(ts.retryAt)
		return false
	case ts.urgent, ts.haltsChanged, ts.failures > 0, t.crowded(p), t.apart && n >= t.size:
		return true
	}
	return ts.waiting() && t.wait > 0 && t.waited(p, t.wait, now)
}

// waited reports whether what has finished of the partition has waited that long. If not, a
// transaction may be due when it will have. The caller holds mu.
func (t *transactions) waited(p *part, wait time.Duration, now time.Time) bool {
	when := time.Unix(0, txnStateOf(p).since.Load()).Add(wait)
	if now.Before(when) {
		t.later(when)
		return false
	}
	return true
}

// later notes that a transaction may be due then. The caller holds mu.
func (t *transactions) later(at time.Time) {
	if t.next.IsZero() || at.Before(t.next) {
		t.next = at
	}
}

// barrenWait is the minimum time that offsets without results wait for results to be committed
// with.
const barrenWait = time.Second

// take returns a partition's share of a transaction, or nil if there is none yet. It waits no
// longer, but for results to be committed with. The caller holds mu.
func (t *transactions) take(p *part, now time.Time) *prefix {
	ts := txnStateOf(p)
	ts.candidate = false
	// before the watermark is read: a record that finishes later counts for the next transaction
	seen, gaps := ts.finished.Load(), ts.gaps.Load()
	ts.overdue.Store(seen > 0) // a record that finishes from now on pokes the loop, see count
	mark, below := p.led.Prefix()
	if mark <= ts.from && !ts.haltsChanged {
		ts.gaps.Add(-gaps) // the gaps are above an unfinished record and are committed with it
		return nil
	}
	pre := t.resultsOf(p).prefix(p, ts.from, mark, int(t.size))
	if pre.haltsChanged = ts.haltsChanged; pre.next == ts.from && !pre.haltsChanged {
		return nil
	}
	if barren := len(pre.recs) == 0 && !ts.urgent && !ts.haltsChanged; barren && !t.waited(p, max(t.wait, barrenWait), now) {
		ts.candidate = true
		return nil
	}
	if ts.haltsChanged = false; pre.next == ts.from {
		return pre
	}
	counted := ts.count(pre, mark, below, seen)
	ts.finished.Add(-counted)
	t.total.Add(-counted)
	ts.since.Store(now.UnixNano())
	ts.overdue.Store(false)
	if pre.next == mark {
		ts.urgent = false
		ts.gaps.Add(-gaps)
	}
	return pre
}

func (t *transactions) resultsOf(p *part) results { return p.state[t.st.state].(results) }
