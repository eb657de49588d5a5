package stream

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// The drain of a run or of some of its partitions.

// drain starts the drain of the run: no new record is started. The first caller does it. That is
// the run, or a source that revokes its partitions because its context was cancelled.
func (r *run) drain(cause error) {
	r.draining.Do(func() { r.beginDrain(cause) })
}

func (r *run) beginDrain(cause error) {
	r.mu.Lock()
	r.deadline = time.Now().Add(r.opts.drain)
	r.mu.Unlock()
	r.enter(stopping)
	ps := r.all()
	for _, p := range ps {
		p.shut()
	}
	r.enter(shut)
	r.settleAll()
	r.emit(Draining{cause})
}

// pastDrain returns a channel that fires when the source should have returned after a drain.
func (r *run) pastDrain() <-chan time.Time {
	const extra = handlerGrace + 2*commitTime
	return time.After(min(r.opts.drain, math.MaxInt64-extra) + extra)
}

// revoke drains partitions, commits them and releases them.
func (r *run) revoke(ctx context.Context, ps []*part) {
	ps = slices.DeleteFunc(slices.Clone(ps), func(p *part) bool { return p.status().isReleased() })
	if len(ps) == 0 {
		return
	}
	if src := r.sourceCtx; src.Err() != nil {
		r.drain(context.Cause(src))
	}
	advice := r.longer(ctx)
	ctx, cancel := r.drainTime(ctx)
	defer cancel()
	for _, p := range ps {
		p.shut()
	}
	left := r.complete(ctx, ps)
	left.advice = advice
	r.tellLeft(ps, left)
	var ended []*part
	var events []Revoked
	for _, p := range ps {
		e := Revoked{TopicPartition: p.tp, Epoch: p.epoch, Committed: p.committedOffset()}
		_, e.Unfinished = p.led.Count()
		if _, ok := p.endAssignment(fmt.Errorf("%v was revoked [LW230]", p.tp)); ok { // else it was lost during the drain
			ended, events = append(ended, p), append(events, e)
		}
	}
	if len(ended) == 0 {
		return
	}
	r.drop(ended...)
	for i, p := range ended {
		events[i].Totals, _ = p.totals(r.plan.commit)
		r.emit(events[i])
	}
}

// drainTime returns a context that ends at the drain's deadline or that of ctx. It ends at once if
// a goroutine was lost, since the tickets that it held are never resolved.
func (r *run) drainTime(ctx context.Context) (context.Context, context.CancelFunc) {
	c, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), earlier(ctx, r.drainEnd()), ErrDrain)
	stop := context.AfterFunc(r.broken, cancel)
	return c, func() { stop(); cancel() }
}

// drainEnd returns the deadline of a drain that starts now.
func (r *run) drainEnd() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deadline.IsZero() {
		return time.Now().Add(r.opts.drain)
	}
	return r.deadline
}

func earlier(ctx context.Context, t time.Time) time.Time {
	if d, ok := ctx.Deadline(); ok && d.Before(t) {
		return d
	}
	return t
}

func later(ctx context.Context, t time.Time) time.Time {
	if d, ok := ctx.Deadline(); ok && d.After(t) {
		return d
	}
	return t
}

// complete waits until started records are finished and committed, and then for their tails. When
// ctx ends it cancels the handlers' contexts, gives them a moment to return, and commits what has
// finished. It returns what is left unfinished or uncommitted.
func (r *run) complete(ctx context.Context, ps []*part) (left leftovers) {
	for _, p := range ps {
		p.changed()
	}
	calm := r.calmDown(ctx, ps)
	if !calm {
		leaked := r.noteLeaks()
		for _, p := range ps {
			left.noteHeld(p, leaked)
			p.rise(cancelled)
			p.cancel(fmt.Errorf("%v: %w", p.tp, ErrDrain))
		}
	}
	patience := r.patience()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if !calm {
		if !r.await(grace, ps, (*part).calm) && patience == handlerGrace {
			// after an earlier revoke, handlers at the end of the run still get their grace
			r.stuck.Store(r.phase() >= finishing)
		}
	}
	// The last commit gets commitTime even if ctx has ended. A commit in flight may be stored
	// already, and the elements it lets pass must not count as uncommitted.
	commitCtx, cancelCommit := context.WithDeadline(context.WithoutCancel(ctx), later(ctx, time.Now().Add(commitTime)))
	defer cancelCommit()
	if err := r.commits.last(ctx, commitCtx, ps); err != nil {
		for _, p := range ps {
			if n := p.uncommitted(r.plan.commit); n > 0 && !p.status().isReleased() {
				left.uncommitted = append(left.uncommitted, p.uncommittedText(n, err))
			}
		}
	}
	for _, p := range ps {
		for _, l := range p.closeBarrier() {
			left.add(fmt.Sprintf("%v (lost, since it was committed)", l.meta()))
		}
		p.changed()
	}
	// tails that do not finish in time continue; the end of the run waits for them
	r.await(ctx, tailsOf(ps), (*part).finished)
	return left
}

// commitTime is the minimum time for the last commit of a drain.
const commitTime = 3 * time.Second

// await waits until ok holds for each partition. It returns false when ctx ends, or when ok cannot
// become true anymore since all holders are empty.
func (r *run) await(ctx context.Context, ps []*part, ok func(*part) bool) bool {
	for _, p := range ps {
		for !ok(p) && !p.status().isReleased() {
			select {
			case <-p.rested:
			case <-r.flushed:
				if !ok(p) {
					return false
				}
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}
