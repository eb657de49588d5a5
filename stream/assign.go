package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// A partition's life: assign, then revoke or lose. See part for what it is.

func (r *run) newPart(a Assignment, epoch int32) *part {
	p := &part{run: r, tp: a.TopicPartition, topic: a.TopicID, epoch: epoch, wake: a.Wake, again: a.Again, lapsed: a.Expired,
		committed: a.Committed, next: a.Next, begin: a.Next, end: -1,
		stop: make(chan struct{}), rested: make(chan struct{}, 1), sets: make([]*lane.Set, len(r.stages)), orders: make([]*reorder, len(r.stages)),
		state: make([]any, len(r.steps))}
	p.ctx, p.cancel = context.WithCancelCause(r.workCtx)
	p.led.Rest, p.led.Watched = p.atRest, p.ticketRests
	if r.forgets {
		p.led.Forget = func(payload any) { payload.(values).forget() }
	}
	switch {
	case r.committer != nil:
		p.led.Finished = r.committer.count
	case r.tx != nil:
		p.led.Finished = func() { r.tx.count(p) }
		p.turn.from = a.Next
	}
	for i, sg := range r.stages {
		p.sets[i] = sg.pool.NewSet()
		if sg.plan.keepOrder {
			p.orders[i] = new(reorder)
		}
	}
	for n, st := range r.steps {
		if n.keep != nil {
			p.state[st.state] = n.keep(st, p)
		}
	}
	return p
}

func (r *run) assign(ctx context.Context, as []Assignment) ([]*part, error) {
	as, err := r.tx.restored(ctx, as)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	var ps []*part
	list := slices.Clone(r.list)
	once := map[TopicPartition]bool{}
	for _, a := range as {
		if r.parts[a.TopicPartition] != nil || once[a.TopicPartition] {
			r.mu.Unlock()
			return nil, fmt.Errorf("%v was assigned twice: revoke it first", a.TopicPartition)
		}
		once[a.TopicPartition] = true
	}
	for _, a := range as {
		r.epochs[a.TopicPartition]++
		p := r.newPart(a, r.epochs[a.TopicPartition])
		p.led.Start(a.Next)
		r.parts[p.tp] = p
		ps, list = append(ps, p), append(list, p)
	}
	r.list = list
	if r.online == errConnecting {
		r.online = nil
	}
	stopped := r.state.Load()&draining != 0
	r.mu.Unlock()
	for _, p := range ps {
		if stopped {
			p.raise(closing)
		}
		r.emit(Assigned{p.tp, p.next, p.epoch})
	}
	for _, p := range list {
		r.settle(p) // shares have shrunk
	}
	return ps, nil
}

func (r *run) drop(p *part) {
	r.mu.Lock()
	if r.parts[p.tp] == p {
		delete(r.parts, p.tp)
		r.list = slices.DeleteFunc(slices.Clone(r.list), func(q *part) bool { return q == p })
	}
	left := r.list
	r.mu.Unlock()
	for _, q := range left {
		q.wakeSource() // shares have grown
	}
}

func (r *run) lose(err error, ps []*part) {
	for _, p := range ps {
		if !p.letGo(fmt.Errorf("%v was lost: %w", p.tp, err)) {
			continue
		}
		r.drop(p)
		r.fade(p)
		totals, _ := p.totals()
		r.emit(Lost{p.tp, p.epoch, err, totals})
		r.settle(p)
	}
}

// fade keeps a partition that was let go in sight as long as work below a commit is left of it.
func (r *run) fade(p *part) {
	r.mu.Lock()
	r.faded = slices.DeleteFunc(r.faded, func(q *part) bool { return q.after.Load() == 0 })
	if p.after.Load() > 0 {
		r.faded = append(r.faded, p)
	}
	r.mu.Unlock()
}

func (r *run) fading() []*part {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faded)
}

// finishFaded waits until what was committed of partitions that were let go is finished too, or the drain is over.
func (r *run) finishFaded() {
	ctx, cancel := r.drainTime(context.Background())
	defer cancel()
	for _, p := range r.fading() {
		r.settle(p)
		for p.after.Load() > 0 {
			select {
			case <-p.rested:
				continue
			case <-ctx.Done():
				p.flags.Or(aborted)
			}
			break
		}
	}
}

// revoke drains partitions, commits them, and lets them go.
func (r *run) revoke(ctx context.Context, ps []*part) {
	ps = slices.DeleteFunc(slices.Clone(ps), func(p *part) bool { return p.flags.Load()&gone != 0 })
	if len(ps) == 0 {
		return
	}
	if src := r.sourceCtx; src.Err() != nil {
		r.drain(context.Cause(src))
	}
	ctx, cancel := r.drainTime(ctx)
	defer cancel()
	for _, p := range ps {
		p.shut()
	}
	r.complete(ctx, ps)
	for _, p := range ps {
		committed := p.committedOffset()
		_, n := p.unfinished(0)
		if !p.letGo(fmt.Errorf("%v was revoked", p.tp)) {
			continue // it was lost meanwhile
		}
		r.drop(p)
		r.fade(p)
		totals, _ := p.totals()
		r.emit(Revoked{p.tp, p.epoch, committed, n, totals})
	}
}

// drainTime bounds ctx by what a drain may take, which is nothing where something of it can never come to rest.
func (r *run) drainTime(ctx context.Context) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	end := r.deadline
	r.mu.Unlock()
	if end.IsZero() {
		end = time.Now().Add(r.opts.drain)
	}
	c, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), earlier(ctx, end), ErrDrain)
	stop := context.AfterFunc(r.crippled, cancel)
	return c, func() { stop(); cancel() }
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

// complete waits until what has begun is finished and committed, below the commit too. When ctx ends it cancels the handlers' contexts, gives them
// a moment to notice, and commits what there is.
func (r *run) complete(ctx context.Context, ps []*part) {
	for _, p := range ps {
		r.settle(p)
	}
	calm := r.calmDown(ctx, ps)
	if !calm {
		leaked := r.noteLeaks()
		for _, p := range ps {
			r.noteHeld(p, leaked)
			p.flags.Or(expired)
			p.cancel(fmt.Errorf("%v: %w", p.tp, ErrDrain))
		}
	}
	patience := handlerGrace
	if r.crippled.Err() != nil {
		patience = stuckGrace // for those that heed their context
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if !calm {
		if !r.await(grace, ps, (*part).calm) && patience == handlerGrace {
			r.stuck.Store(r.state.Load()&(draining|finishing) != 0) // a revoke long before the end says nothing of those that run then
		}
	}
	// The last commit has some time in any case: one that is under way may be stored already, and what it lets pass must not be taken for uncommitted.
	commitCtx, cancelCommit := context.WithDeadline(context.WithoutCancel(ctx), later(ctx, time.Now().Add(commitTime)))
	defer cancelCommit()
	if err := r.commitNow(commitCtx, ps); err != nil {
		r.tx.giveUp(ps, err)
		r.note(fmt.Sprintf("the last commit: %v", err))
	}
	for _, p := range ps {
		p.gate.clear()
		r.settle(p)
	}
	if !r.await(ctx, ps, (*part).quiet) && r.plan.gated {
		for _, p := range ps {
			p.flags.Or(aborted)
		}
		if calm {
			for _, p := range ps {
				p.flags.Or(expired)
				p.cancel(fmt.Errorf("%v: %w", p.tp, ErrDrain))
			}
		}
	}
}

// commitTime is what the last commit of a drain has at least.
const commitTime = 3 * time.Second

// await waits until ok holds for each partition, nothing can change that any more, or ctx ends.
func (r *run) await(ctx context.Context, ps []*part, ok func(*part) bool) bool {
	for _, p := range ps {
		for !ok(p) && p.flags.Load()&gone == 0 {
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
