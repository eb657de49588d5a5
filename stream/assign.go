package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// A partition's life: assign, then revoke or lose. See part for what it is.

func (r *run) newPart(a Assignment, epoch int32) *part {
	p := &part{host: r, tp: a.TopicPartition, topic: a.TopicID, epoch: epoch, wake: a.Wake, restart: a.Restart, lapsed: a.Expired,
		committed: a.Committed, next: a.Next, begin: a.Next, end: -1,
		stop: make(chan struct{}), rested: make(chan struct{}, 1)}
	p.led.Rest = p.changed
	r.commits.begin(p, &p.led)
	r.furnish(p)
	if r.plan.hasTail() {
		p.tail = r.newTail(p)
	}
	return p
}

// furnish gives a partition its lanes, and what its steps keep.
func (r *run) furnish(p *part) {
	p.ctx, p.cancel = context.WithCancelCause(r.workCtx)
	p.led.Watched = p.ticketSettles
	p.sets, p.orders, p.state = make([]*lane.Set, len(r.stages)), make([]any, len(r.stages)), make([]any, len(r.steps))
	for i, sg := range r.stages {
		p.sets[i] = sg.pool.NewSet()
		if sg.plan.keepOrder {
			p.orders[i] = new(reorder)
		}
	}
	for n, st := range r.steps {
		if k, ok := n.op.(keeper); ok {
			p.state[st.state] = k.keep(st, p)
		}
	}
}

func (r *run) assign(ctx context.Context, as []Assignment) ([]*part, error) {
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
	if r.health == errConnecting {
		r.health = nil
	}
	stopped := r.phase() >= stopping
	r.mu.Unlock()
	if !stopped && len(ps) > 0 {
		told := make(chan struct{})
		defer close(told)
		r.commits.assigned(ctx, ps, told)
	}
	for _, p := range ps {
		if stopped {
			p.rise(draining)
		}
		r.emit(Assigned{p.tp, p.next, p.epoch})
	}
	for _, p := range list {
		p.changed() // shares have shrunk
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
		q.changed() // shares have grown
	}
}

// lapse loses a partition that may be another worker's by the source's own clock.
func (r *run) lapse(p *part) {
	if p.lapsed != nil && p.lapsed() {
		r.lose(errLapsed, []*part{p})
	}
}

var errLapsed = errors.New("this process stood still, and the partition may be another worker's by now")

func (r *run) lose(err error, ps []*part) {
	for _, p := range ps {
		if !p.letGo(fmt.Errorf("%v was lost: %w", p.tp, err)) {
			continue
		}
		r.drop(p)
		r.leaveTail(p)
		totals, _ := p.totals(r.plan.commit)
		r.emit(Lost{p.tp, p.epoch, err, totals})
		r.settleAll() // the others may be all that a Transform waits for
	}
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
		r.leaveTail(p)
		totals, _ := p.totals(r.plan.commit)
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
		p.changed()
	}
	calm := r.calmDown(ctx, ps)
	if !calm {
		leaked := r.noteLeaks()
		for _, p := range ps {
			r.noteHeld(p, leaked)
			p.rise(cancelled)
			p.cancel(fmt.Errorf("%v: %w", p.tp, ErrDrain))
		}
	}
	patience := r.patience()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if !calm {
		if !r.await(grace, ps, (*part).calm) && patience == handlerGrace {
			r.stuck.Store(r.phase() >= finishing) // a revoke long before the end says nothing of those that run then
		}
	}
	// The last commit has some time in any case: one that is under way may be stored already, and what it lets pass must not be taken for uncommitted.
	commitCtx, cancelCommit := context.WithDeadline(context.WithoutCancel(ctx), later(ctx, time.Now().Add(commitTime)))
	defer cancelCommit()
	if err := r.commits.last(ctx, commitCtx, ps); err != nil {
		r.note(fmt.Sprintf("the last commit: %v", err))
	}
	for _, p := range ps {
		p.gate.clear()
		p.changed()
	}
	r.await(ctx, tailsOf(ps), (*part).finished) // those that are not go on, to be waited for when the run ends
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
