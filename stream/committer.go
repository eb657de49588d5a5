package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/ledger"
)

// newCommits returns the commits of the plan's commit word.
func newCommits(r *run) commits {
	switch c := r.plan.commit; {
	case c == nil:
		return noCommits{}
	case c.transact != nil:
		return newTransactions(r, c)
	default:
		return newCommitters(r, c)
	}
}

// committer stores offsets and resume states through one source. One goroutine does so, with one
// request at a time, and only for partitions whose progress has changed. A partition whose commit
// is refused has its own wait before the next try, so that it does not delay the others.
type committer struct {
	in       *inlet
	each     bool
	n        int64
	wait     time.Duration
	finished atomic.Int64  // records since the last commit
	news     news          // partitions that may have something to commit
	poke     chan struct{} // capacity 1: wakes the loop; never closed
	flushes  chan *flush   // never closed
	stopped  chan struct{} // closed by stop
	ended    chan struct{} // closed by the loop

	// used by the loop only
	began   time.Time // start of its clock
	due     moment    // when counted records are committed below the count; 0 if there are none
	refused map[*part]retry
	open    []*flush
}

// moment is a time of the committer's clock.
type moment = time.Duration

// retry is the state of a partition whose last commit was refused.
type retry struct {
	failures int // in a row
	next     moment
}

// flush asks for commits of some partitions, at once and repeated until all their finished records
// are committed or ctx ends.
type flush struct {
	ctx   context.Context
	parts []*part
	err   error      // of the last failed request
	done  chan error // capacity 1
}

const (
	commitRetry    = 100 * time.Millisecond
	commitRetryMax = 5 * time.Second
)

func newCommitter(in *inlet, p *commitPlan) *committer {
	return &committer{in: in, each: p.each, n: int64(p.n), wait: p.wait,
		poke: make(chan struct{}, 1), flushes: make(chan *flush), stopped: make(chan struct{}), ended: make(chan struct{}),
		began: time.Now(), refused: map[*part]retry{}}
}

func (c *committer) begin(p *part, l *ledger.Ledger) {
	l.Finished = func() { c.count(p) }
	if l.OutOfOrder {
		l.Finished = func() {
			c.count(p)
			p.freed()
		}
	}
	if !c.in.plan.hasTail() { // records of a tail read the values of those above the ack barrier
		l.Forget = forgetValues
	}
}

func (c *committer) start() { c.in.spawn(c.loop) }
func (c *committer) stop()  { close(c.stopped) }

// look wakes the committer with CommitEach. It has it commit at once if a halt changed, or if so
// many records wait at the ack barrier that CommitEvery's count may never be reached.
func (c *committer) look(p *part) {
	urgent := p.ahead.urgent.CompareAndSwap(true, false) // before p is listed: see news.add
	c.news.add(p)
	if c.each && p.led.Watermark() > p.begin { // the first offset alone is not worth a commit
		c.wakeUp()
	}
	if urgent {
		c.urge()
	}
	if held := p.barrier.held.Load(); held > 0 && held >= int64(c.in.opts.records+1)/2 {
		c.urge()
	}
}

// count counts a finished record of p.
func (c *committer) count(p *part) {
	c.news.add(p)
	if c.each {
		c.wakeUp()
		return
	}
	if n := c.finished.Add(1); n >= c.n || n == 1 && c.wait > 0 {
		c.wakeUp()
	}
}

// urge makes the committer commit at once, below its count.
func (c *committer) urge() {
	c.finished.Store(c.n)
	c.wakeUp()
}

func (c *committer) wakeUp() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

func (c *committer) loop() {
	defer close(c.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := c.next(); next > 0 {
			timer.Reset(next - c.clock())
		}
		select {
		case <-c.stopped:
			return
		case f := <-c.flushes:
			for _, p := range f.parts {
				delete(c.refused, p) // a flush does not wait for the next retry
			}
			c.open = append(c.open, f)
		case <-timer.C:
		case <-c.poke:
		}
		c.open = slices.DeleteFunc(c.open, c.advance)
		c.commitCounted()
		c.retryRefused()
	}
}

func (c *committer) clock() moment { return time.Since(c.began) }

// next returns when the loop must wake by itself, or 0.
func (c *committer) next() (next moment) {
	next = c.due
	for p, r := range c.refused {
		if p.status().isReleased() {
			delete(c.refused, p)
		} else if next == 0 || r.next < next {
			next = r.next
		}
	}
	return next
}

// advance makes the next request of a flush if one is due, and reports whether the flush is over.
func (c *committer) advance(f *flush) (over bool) {
	_, err := c.commit(f.ctx, f.parts)
	if err != nil {
		f.err = err
	}
	left := slices.ContainsFunc(f.parts, func(p *part) bool {
		_, news := p.committable()
		return news && !p.status().isReleased()
	})
	switch {
	case !left:
		f.done <- nil
	case IsPermanent(err) || f.ctx.Err() != nil:
		f.done <- f.err
	default:
		return false
	}
	return true
}

// commitCounted commits finished records if there are enough or they have waited long enough.
func (c *committer) commitCounted() {
	switch n := c.finished.Load(); {
	case c.each, n >= c.n, c.due > 0 && c.due <= c.clock():
	case c.due == 0 && n > 0 && c.wait > 0:
		c.due = c.clock() + c.wait
		return
	default:
		return
	}
	counted := c.finished.Swap(0) // before the commit: what finishes during it counts for the next one
	c.due = 0
	if moved, _ := c.commit(c.in.commitCtx, c.news.take()); moved || counted == 0 {
		return
	}
	// All are above an unfinished record, so no offset can be committed. Count them again: they are
	// due once that record finishes.
	c.finished.Add(counted)
	if c.wait > 0 {
		c.due = c.clock() + c.wait
	}
}

// retryRefused retries the refused commits that are due.
func (c *committer) retryRefused() {
	if len(c.refused) > 0 {
		_, _ = c.commit(c.in.commitCtx, slices.Collect(maps.Keys(c.refused)))
	}
}

// refuse notes a refused commit of a partition and returns the number of the attempt. The time of
// the next one is rounded, so that waiting partitions share a request.
func (c *committer) refuse(p *part, err error) (attempt int) {
	r := c.refused[p]
	r.failures++
	r.next = (c.clock() + commitBackoff(r.failures)).Truncate(commitRetry) + commitRetry
	c.refused[p] = r
	h := lasts(CauseCommit, "", Failure{Attempts: r.failures, Err: err}, r.next-c.clock())
	if was := p.refusal.Load(); was != nil {
		h.since = was.since
	}
	p.refusal.Store(h)
	p.mu.Lock()
	p.unsure = true
	p.mu.Unlock()
	return r.failures
}

func commitBackoff(failures int) time.Duration {
	return backoff.Wait(failures, commitRetry, commitRetryMax)
}

// now commits the finished records of parts and waits until they are acknowledged or ctx ends.
func (c *committer) now(ctx context.Context, parts []*part) error {
	f := &flush{ctx: ctx, parts: parts, done: make(chan error, 1)}
	defer context.AfterFunc(ctx, c.wakeUp)()
	select {
	case c.flushes <- f:
	case <-c.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.done: // advance ends the flush when ctx does
		return err
	case <-c.ended:
		return errEnded
	}
}

// commit makes one request for the partitions with new progress, except those that wait for their
// retry. moved reports whether a finished record is in the request or in such a wait, rather than
// only the first offset of an assignment.
func (c *committer) commit(ctx context.Context, parts []*part) (moved bool, err error) {
	stored := map[*part]progress{}
	for _, p := range parts {
		records, news := p.committable()
		if !news || p.status().isReleased() {
			delete(c.refused, p)
			p.refusal.Store(nil)
			continue
		}
		moved = moved || records > 0 || p.ahead.kept
		if r, waits := c.refused[p]; !waits || r.next <= c.clock() {
			stored[p] = p.progress()
		}
	}
	if len(stored) == 0 {
		return moved, nil
	}
	start := time.Now()
	positions := make(map[*part]Position, len(stored))
	for p, g := range stored {
		positions[p] = g.Position
	}
	err = c.in.store(ctx, positions)
	if len(c.open) > 0 {
		c.wakeUp() // it may be over now, or what finished meanwhile be too little to wake the loop
	}
	c.in.limitState()
	c.sort(stored, err)
	if len(stored) > 0 {
		c.in.emit(Committed{offsetsOf(stored), time.Since(start)}) // before events that follow from it
	}
	for p, g := range stored {
		delete(c.refused, p)
		p.refusal.Store(nil)
		if len(g.State) > c.in.stateBytes() {
			g.withoutState()
			c.news.add(p)
			c.urge() // to store a smaller one
		}
		p.stored(g)
	}
	if IsPermanent(err) {
		c.in.fail(c.in.named(err))
	}
	return moved, err
}

func offsetsOf(stored map[*part]progress) map[TopicPartition]int64 {
	offsets := make(map[TopicPartition]int64, len(stored))
	for p, g := range stored {
		offsets[p.tp] = g.Offset
	}
	return offsets
}

// sort removes refused partitions and released assignments from stored. Refusals of released ones
// are not told: they were lost during the request, and another member may have stored its own
// offset since.
func (c *committer) sort(stored map[*part]progress, err error) {
	var some *CommitError
	partial, attempt := errors.As(err, &some), 0
	for p := range stored {
		refusal, released := err, p.status().isReleased()
		if partial {
			refusal = some.Errs[p.tp]
		}
		if refusal != nil && !released {
			n := c.refuse(p, refusal)
			attempt = max(attempt, n)
			if partial {
				c.in.emit(CommitFailed{p.tp, refusal, n})
			}
		}
		if refusal != nil || released {
			delete(stored, p)
		}
	}
	if attempt > 0 && !partial {
		c.in.emit(CommitFailed{c.in.inside(TopicPartition{}), err, attempt})
	}
}

// await waits until a finished record is committed.
func (c *committer) await(w *worker, l *record) {
	p, offset := l.part, l.offset()
	if !l.slab.Tickets[l.Index].Finished() {
		return // another element of the record is unfinished and may be next in this lane
	}
	if !p.ahead.kept && p.led.Watermark() <= offset {
		return // an earlier record is unfinished and may be next in this lane
	}
	c.wakeUp()
	if ch := p.ackOf(offset); ch != nil {
		w.waitFor(beforeItsCommit, func() {
			select {
			case <-ch:
			case <-p.ctx.Done():
			}
		})
	}
}
