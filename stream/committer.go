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

// newCommits is what the plan's commit word asks for.
func newCommits(r *run) commits {
	switch c := r.plan.commit; {
	case c == nil:
		return noCommits{}
	case c.transact != nil:
		return newTransactions(r, c)
	default:
		return newCommitter(r, c)
	}
}

// committer is the one goroutine that commits: only watermarks, only what is news, one request at a
// time. A partition whose commit is refused waits for its next try by itself.
type committer struct {
	run      *run
	each     bool
	n        int64
	wait     time.Duration
	finished atomic.Int64  // records since the last commit
	poke     chan struct{} // room for one: there may be something to do; never closed
	flushes  chan *flush   // never closed
	stopped  chan struct{} // closed by stop
	ended    chan struct{} // closed by the loop

	// The loop's own:
	began   time.Time // of its clock
	due     moment    // when what was counted is committed, however little it is; 0: nothing is
	refused map[*part]retry
	open    []*flush
}

// moment is a time of the committer's clock.
type moment = time.Duration

// retry is what a partition has whose last commit was refused.
type retry struct {
	failures int // in a row
	next     moment
}

// flush asks for a commit of certain partitions now, again and again until nothing of them is left
// to commit or ctx ends.
type flush struct {
	ctx   context.Context
	parts []*part
	err   error      // of the last request
	done  chan error // room for one
}

const (
	commitRetry    = 100 * time.Millisecond
	commitRetryMax = 5 * time.Second
)

func newCommitter(r *run, p *commitPlan) *committer {
	return &committer{run: r, each: p.each, n: int64(p.n), wait: p.wait,
		poke: make(chan struct{}, 1), flushes: make(chan *flush), stopped: make(chan struct{}), ended: make(chan struct{}),
		began: time.Now(), refused: map[*part]retry{}}
}

func (c *committer) begin(_ *part, l *ledger.Ledger) {
	l.Finished = c.count
	if !c.run.plan.hasTail() { // a tail still looks at what is finished above it
		l.Forget = forgetValues
	}
}

func (c *committer) start() { c.run.spawn(c.loop) }
func (c *committer) stop()  { close(c.stopped) }

func (c *committer) assigned(context.Context, []*part, <-chan struct{}) {}
func (c *committer) waiting(*part) error                                { return nil }
func (c *committer) advanced(*part)                                     { c.count() }
func (c *committer) resumed(*part, map[int64]bool, haltEnd) func()      { return nil }
func (c *committer) last(_, ctx context.Context, ps []*part) error      { return c.now(ctx, ps) }
func (c *committer) release(*part, error)                               {}
func (c *committer) holds(p *part) *hold                                { return p.refusal.Load() }

// look has the committer look, where it commits as the watermark moves, and has it commit at once
// where so much waits at the gate that no count may ever be reached.
func (c *committer) look(p *part) {
	if c.each && p.led.Watermark() > p.begin { // where a partition begins alone is no news
		c.wakeUp()
	}
	if held := p.gate.held.Load(); held > 0 && held >= int64(c.run.opts.records+1)/2 {
		c.urge()
	}
}

// count is called for each finished record.
func (c *committer) count() {
	if c.each {
		c.wakeUp()
		return
	}
	if n := c.finished.Add(1); n >= c.n || n == 1 && c.wait > 0 {
		c.wakeUp()
	}
}

// urge makes the committer commit what there is, counts aside.
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
				delete(c.refused, p) // it is tried at once, whatever was before
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

// next is when there is something to do by itself; 0: never.
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

// advance makes a flush's next request, if it is time for that, and reports whether the flush is
// over.
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

// commitCounted commits what has finished, if enough has or it has waited long enough.
func (c *committer) commitCounted() {
	switch n := c.finished.Load(); {
	case c.each, n >= c.n, c.due > 0 && c.due <= c.clock():
	case c.due == 0 && n > 0 && c.wait > 0:
		c.due = c.clock() + c.wait
		return
	default:
		return
	}
	counted := c.finished.Swap(0)
	c.due = 0
	if moved, _ := c.commit(c.run.commitCtx, c.run.all()); moved || counted == 0 {
		return
	}
	// all of it lies behind something unfinished: it is due as soon as that is not
	c.finished.Add(counted)
	if c.wait > 0 {
		c.due = c.clock() + c.wait
	}
}

// retryRefused tries those again whose time has come.
func (c *committer) retryRefused() {
	if len(c.refused) > 0 {
		_, _ = c.commit(c.run.commitCtx, slices.Collect(maps.Keys(c.refused)))
	}
}

// refuse notes that the commit of a partition was refused, and which attempt that was. The next one
// is made at a round moment of the clock, so that those that wait go together.
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
	return r.failures
}

func commitBackoff(failures int) time.Duration {
	return backoff.Wait(failures, commitRetry, commitRetryMax)
}

// now commits what is finished of parts and waits for the acknowledgement, until ctx ends.
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
	case err := <-f.done: // bounded by ctx inside
		return err
	case <-c.ended:
		return errEnded
	}
}

// commit makes one request, if there is news that is not to wait for its next try. moved: some
// record was in it or is in such a wait, not only where a partition begins.
func (c *committer) commit(ctx context.Context, parts []*part) (moved bool, err error) {
	stored := map[*part]progress{}
	for _, p := range parts {
		records, news := p.committable()
		if !news || p.status().isReleased() {
			delete(c.refused, p)
			p.refusal.Store(nil)
			continue
		}
		moved = moved || records > 0
		if r, waits := c.refused[p]; !waits || r.next <= c.clock() {
			stored[p] = p.progress()
		}
	}
	if len(stored) == 0 {
		return moved, nil
	}
	start := time.Now()
	owners, positions := map[TopicPartition]*part{}, map[TopicPartition]Position{}
	for p, g := range stored {
		owners[p.tp], positions[p.tp] = p, g.Position
	}
	err = c.run.src.commit(withOwners(ctx, owners), positions)
	limit := c.run.src.info().StateBytes // it may have learned that brokers take less
	c.run.stateMax.Store(int64(limit))
	c.sort(stored, err)
	if len(stored) > 0 {
		c.run.emit(Committed{offsetsOf(stored), time.Since(start)}) // before what follows from it
	}
	for p, g := range stored {
		delete(c.refused, p)
		p.refusal.Store(nil)
		if len(g.State) > limit {
			g.withoutState()
			c.wakeUp() // to store a smaller one
		}
		p.stored(g)
	}
	if IsPermanent(err) {
		c.run.fail(err)
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

// sort leaves in stored what is stored, of assignments that still stand.
func (c *committer) sort(stored map[*part]progress, err error) {
	var some *CommitError
	partial, attempt := errors.As(err, &some), 0
	for p := range stored {
		refusal := err
		if partial {
			refusal = some.Errs[p.tp]
		}
		if refusal != nil {
			n := c.refuse(p, refusal)
			attempt = max(attempt, n)
			if partial {
				c.run.emit(CommitFailed{p.tp, refusal, n})
			}
		}
		// lost meanwhile: what is stored there now is another's
		if refusal != nil || p.status().isReleased() {
			delete(stored, p)
		}
	}
	if err != nil && !partial {
		c.run.emit(CommitFailed{Err: err, Attempt: attempt})
	}
}

// finish ends an element. With CommitEach it holds its lane until it is committed, unless a record
// before it is unfinished and no state can tell of it.
func (c *committer) finish(w *worker, rec *record) {
	if !c.each || c.run.plan.hasTail() {
		rec.done()
		return
	}
	if rec.joint == nil {
		rec.done()
		c.await(w, rec)
		return
	}
	var leaves []*record
	rec.leaves(func(l *record) bool {
		leaves = append(leaves, l)
		return true
	})
	rec.done()
	for _, l := range leaves {
		c.await(w, l)
	}
}

// await waits until a record that has finished is committed.
func (c *committer) await(w *worker, l *record) {
	p, offset := l.part, l.offset()
	if !l.slab.Tickets[l.Index].Finished() {
		return // another element of it is at work, and may be behind this one
	}
	if !p.ahead.kept && p.led.Watermark() <= offset {
		return // something before it is unfinished: that will move the watermark over it
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
