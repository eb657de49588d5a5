package stream

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// How a run, or a part of its partitions, comes to an end.

// drain begins the end: nothing new is begun. Who comes first does it: the run, or the source that
// revokes what it has because its context has ended.
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

// pastDrain is closed, or sent to, when a source should have returned long ago.
func (r *run) pastDrain() <-chan time.Time {
	return time.After(r.opts.drain + handlerGrace + 2*commitTime)
}

// revoke drains partitions, commits them, and lets them go.
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
	for _, p := range ps {
		committed := p.committedOffset()
		_, n := p.unfinished(0)
		if !p.letGo(fmt.Errorf("%v was revoked", p.tp)) {
			continue // it was lost meanwhile
		}
		r.drop(p)
		r.leaveTail(p)
		totals, _ := p.totals(r.plan.commit)
		r.emit(Revoked{p.tp, p.epoch, committed, n, totals})
	}
}

// drainTime bounds ctx by what a drain may take, which is nothing where something of it can never
// come to rest.
func (r *run) drainTime(ctx context.Context) (context.Context, context.CancelFunc) {
	c, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), earlier(ctx, r.drainEnd()), ErrDrain)
	stop := context.AfterFunc(r.crippled, cancel)
	return c, func() { stop(); cancel() }
}

// drainEnd is when a drain that begins now has to be through.
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

// complete waits until what has begun is finished and committed, below the commit too. When ctx
// ends it cancels the handlers' contexts, gives them a moment to notice, and commits what there is.
// It returns what it had to leave.
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
			// a revoke long before the end says nothing of those that run then
			r.stuck.Store(r.phase() >= finishing)
		}
	}
	// The last commit has some time in any case: one that is under way may be stored already, and
	// what it lets pass must not be taken for uncommitted.
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
		p.gate.clear()
		p.changed()
	}
	// those that are not go on, to be waited for when the run ends
	r.await(ctx, tailsOf(ps), (*part).finished)
	return left
}

// commitTime is what the last commit of a drain has at least.
const commitTime = 3 * time.Second

// await waits until ok holds for each partition, nothing can change that any more, or ctx ends.
func (r *run) await(ctx context.Context, ps []*part, ok func(*part) bool) bool {
	for _, p := range ps {
		for !ok(p) && !p.status().isReleased() {
			select {
			case <-p.rested:
			case <-r.dryness():
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
