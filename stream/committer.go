package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// committer is the one goroutine that commits: only watermarks, only what is news, one request at a time.
type committer struct {
	run      *run
	each     bool
	n        int64
	wait     time.Duration
	finished atomic.Int64  // records since the last commit
	poke     chan struct{} // room for one: there may be something to do; never closed
	flushes  chan *flush   // never closed
	stop     chan struct{} // closed by the run
}

// flush asks for a commit of certain partitions now.
type flush struct {
	ctx   context.Context
	parts []*part
	done  chan error // room for one
}

const (
	commitRetry    = 100 * time.Millisecond
	commitRetryMax = 5 * time.Second
)

func newCommitter(r *run, n *node) *committer {
	return &committer{run: r, each: n.each, n: int64(n.n), wait: n.wait,
		poke: make(chan struct{}, 1), flushes: make(chan *flush), stop: make(chan struct{})}
}

// look makes the committer look, where it commits as the watermark moves. A nil committer commits nothing.
func (c *committer) look() {
	if c != nil && c.each {
		c.wakeUp()
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
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	armed, failures := false, 0
	arm := func(d time.Duration) { timer.Reset(d); armed = true }
	attempt := func(ctx context.Context, parts []*part) error {
		counted := c.finished.Swap(0)
		moved, err := c.commit(ctx, parts, failures+1)
		if failures++; err == nil {
			failures = 0
		}
		if !moved { // all that was counted lies behind something unfinished: it is due as soon as that is not
			c.finished.Add(counted)
			if counted > 0 && c.wait > 0 && !armed {
				arm(c.wait)
			}
		}
		return err
	}
	for {
		due := false
		select {
		case <-c.stop:
			return
		case f := <-c.flushes:
			err := c.insist(f, attempt)
			f.done <- err
			if err != nil { // what others have finished is due still
				arm(backoff(failures))
			}
			continue
		case <-timer.C:
			armed, due = false, true
		case <-c.poke:
		}
		switch {
		case due, failures == 0 && (c.each || c.finished.Load() >= c.n):
			if err := attempt(c.run.commitCtx, c.run.all()); err != nil {
				arm(backoff(failures))
			}
		case !armed && c.wait > 0 && c.finished.Load() > 0:
			arm(c.wait)
		}
	}
}

func backoff(failures int) time.Duration {
	return min(commitRetry<<min(failures-1, 10), commitRetryMax)
}

// insist commits until it has succeeded or nobody waits any more.
func (c *committer) insist(f *flush, attempt func(context.Context, []*part) error) error {
	for n := 1; ; n++ {
		err := attempt(f.ctx, f.parts)
		if err == nil || IsPermanent(err) {
			return err
		}
		timer := time.NewTimer(backoff(n))
		select {
		case <-timer.C:
		case <-f.ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// now commits what is finished of parts and waits for the acknowledgement, until ctx ends.
func (c *committer) now(ctx context.Context, parts []*part) error {
	if c == nil {
		return nil
	}
	f := &flush{ctx, parts, make(chan error, 1)}
	select {
	case c.flushes <- f:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return <-f.done // bounded by ctx inside
}

// commit makes one request, if there is news. What was refused stays due. moved: some record was in it, not only where a partition begins.
func (c *committer) commit(ctx context.Context, parts []*part, attempt int) (moved bool, err error) {
	offsets := map[TopicPartition]int64{}
	owners, settled := map[TopicPartition]*part{}, map[*part]int64{}
	for _, p := range parts {
		if p.flags.Load()&gone != 0 {
			continue
		}
		if offset, below, news := p.committable(); news {
			offsets[p.tp], owners[p.tp], settled[p] = offset, p, below
			moved = moved || offset > p.begin
		}
	}
	if len(offsets) == 0 {
		return false, nil
	}
	start := time.Now()
	err = c.run.src.commit(ctx, offsets)
	var partial *CommitError
	if errors.As(err, &partial) {
		for tp, e := range partial.Errs {
			c.run.emit(CommitFailed{tp, e, attempt})
			delete(offsets, tp)
		}
	} else if err != nil {
		c.run.emit(CommitFailed{Err: err, Attempt: attempt})
		clear(offsets)
	}
	if len(offsets) > 0 {
		c.run.emit(Committed{offsets, time.Since(start)}) // before what follows from it
	}
	for tp, offset := range offsets {
		owners[tp].stored(settled[owners[tp]])
		owners[tp].acked(offset)
	}
	if IsPermanent(err) {
		c.run.fail(err)
	}
	return moved, err
}
