package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/laneway-go/laneway/internal/lane"
	"github.com/laneway-go/laneway/internal/resume"
)

// How partitions are assigned and lost. For revoke see drain.go.

func (in *inlet) newPart(a Assignment, epoch int32) *part {
	r := in.run
	p := &part{host: in, source: in.index, entry: in.first.index, tp: a.TopicPartition, topic: a.TopicID, epoch: epoch, wake: a.Wake, restart: a.Restart, expired: a.Expired,
		committed: a.Committed, next: a.Next, begin: a.Next, end: -1,
		stop: make(chan struct{}), rested: make(chan struct{}, 1),
		asides: asides{lanes: map[resume.LaneID]*aside{}, stalled: stalls{by: map[resume.LaneID]*stall{}}, news: make(chan struct{}, 1)}}
	p.led.Rest = p.changed
	if r.plan.storesState() {
		p.ahead.kept = r.opts.ahead > 0 && in.stateBytes() > 0
		p.ahead.halting = p.ahead.kept
		// KeepOrder holds back results above an unfinished record, so it needs them in order
		p.led.OutOfOrder = p.ahead.kept && !r.plan.keepsOrder()
		p.asides.able = p.led.OutOfOrder && in.rereads()
		p.asides.awaited = r.plan.commit != nil && r.plan.commit.each
	}
	r.commits.begin(p, &p.led)
	r.furnish(p)
	if r.plan.hasTail() {
		p.tail = r.newTail(p)
	}
	return p
}

// furnish makes a partition's context, its lanes and the state of its steps.
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

func (in *inlet) assign(ctx context.Context, as []Assignment) ([]*part, error) {
	r := in.run
	r.mu.Lock()
	var ps []*part
	var dropped []SourceEvent
	list := slices.Clone(r.list)
	once := map[TopicPartition]bool{}
	for _, a := range as {
		a.TopicPartition = in.inside(a.TopicPartition)
		// a worker or a transaction may be losing the last assignment, which Revoke does not await
		p := r.parts[a.TopicPartition]
		if p != nil && !p.status().isReleased() || once[a.TopicPartition] {
			r.mu.Unlock()
			return nil, fmt.Errorf("%v was assigned twice: revoke it first [LW219]", a.TopicPartition)
		}
		once[a.TopicPartition] = true
	}
	for _, a := range as {
		a.TopicPartition = in.inside(a.TopicPartition)
		r.epochs[a.TopicPartition]++
		p := in.newPart(a, r.epochs[a.TopicPartition])
		p.led.Start(a.Next)
		if err := p.adopt(a); err != nil {
			dropped = append(dropped, stateDropped(p.tp, a.Committed, err))
		}
		r.parts[p.tp] = p
		ps, list = append(ps, p), append(list, p)
	}
	r.list = list
	if errors.Is(in.health, errConnecting) {
		in.health = nil
	}
	clear(in.lost)
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
		r.emit(Assigned{p.tp, p.next, p.epoch, p.finishedAhead()})
	}
	for _, e := range dropped {
		r.emit(e)
	}
	for _, p := range ps {
		p.tellRestored()
	}
	for _, p := range list {
		p.changed() // shares have shrunk
	}
	return ps, nil
}

func stateDropped(tp TopicPartition, offset int64, err error) SourceEvent {
	return SourceEvent{tp, "resume state dropped", fmt.Sprintf("finished records above offset %d are reprocessed", offset), err}
}

// drop takes ended assignments out of the run. Their tails stay until they are empty.
func (r *run) drop(ps ...*part) {
	ended := make(map[*part]bool, len(ps))
	for _, p := range ps {
		ended[p] = true
		r.leaveTail(p) // first, since a run ends once all partitions and tails that it sees are at rest
	}
	r.mu.Lock()
	for _, p := range ps {
		if r.parts[p.tp] == p { // else it is assigned again
			delete(r.parts, p.tp)
		}
	}
	r.list = slices.DeleteFunc(slices.Clone(r.list), func(q *part) bool { return ended[q] })
	r.spent = slices.DeleteFunc(r.spent, func(q *part) bool { return ended[q] })
	left := r.list
	r.mu.Unlock()
	for _, q := range left {
		q.changed() // shares have grown
	}
}

func (r *run) lose(err error, ps []*part) {
	for _, p := range ps {
		n := p.uncommitted(r.plan.commit)
		torn, ended := p.endAssignment(fmt.Errorf("%v was lost: %w", p.tp, err))
		if !ended {
			continue
		}
		r.noteLost(p, n, err)
		r.drop(p)
		totals, _ := p.totals(r.plan.commit)
		r.emit(Lost{p.tp, p.epoch, err, totals})
		r.tellTorn(torn, err)
		r.settleAll() // a Transform may now hold only elements of the other partitions
	}
}

// tellTorn reports committed records that are lost: an element above CommitBefore was made of them
// and of others that were not committed.
func (r *run) tellTorn(torn []*record, cause error) {
	if len(torn) == 0 {
		return
	}
	var names []string
	for _, l := range torn {
		names = append(names, l.meta().String())
	}
	text := strings.Join(names, ", ") + ": no further step had them, and the element that was made of them cannot be split"
	r.emit(StepEvent{Name: "committed records lost", Step: "commitbefore", Text: text, Err: cause})
}
