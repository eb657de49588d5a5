package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/lane"
)

// laning is how a stage orders its tasks.
type laning uint8

const (
	loose    laning = iota // not at all
	perPart                // one lane per partition
	perGroup               // one lane per group
)

// stage is the nodes that run in one worker, between two boundaries.
type stage struct {
	run     *run
	index   int
	plan    *stagePlan
	group   grouping // in effect at its beginning
	greets  bool     // records begin here, and an observer wants to know
	lanes   laning
	pool    *lane.Pool
	steps   []*step  // those of its nodes, in order
	open    any      // opened[T] of its first boundary
	doorway *doorway // the Transform that ends it
}

// compile links the stage's nodes for one worker and returns the way of a task through them.
func (sg *stage) compile(lw *lane.Worker) (*worker, any) {
	w := &worker{Worker: lw, stage: sg, flush: map[*step]func(*part, uint64){}}
	next := sg.exit(w)
	for i := len(sg.steps) - 1; i >= 0; i-- {
		st := sg.steps[i]
		if st.node == sg.plan.degree && sg.plan.keepOrder {
			next = st.node.out.ordered(w, next)
		}
		if st.node.link != nil {
			next = st.node.link(w, st, next)
		}
	}
	sg.run.enroll(w)
	return w, next
}

// exit is what the last node of the stage hands its elements to.
func (sg *stage) exit(w *worker) any {
	last := sg.plan.out
	if sg.index+1 == len(sg.run.stages) {
		return last.finish(w, sg.run.finish)
	}
	to := sg.run.stages[sg.index+1]
	switch e := sg.plan.exit; {
	case e == nil:
		return last.boundary(w, to)
	case e.kind == kindCommit:
		return last.gate(to)
	case e.kind == kindTransform:
		return sg.doorway.push
	default: // GroupBy(f)
		return e.send(w, sg.run.stepOf(e), to)
	}
}

// one is the work of a pool that takes tasks one by one.
func (sg *stage) one(lw *lane.Worker) func(*lane.Task) {
	w, next := sg.compile(lw)
	run := sg.plan.first.entry(sg.open, next)
	return func(t *lane.Task) { sg.work(w, t, run) }
}

func (sg *stage) work(w *worker, t *lane.Task, run func(*worker, *lane.Task)) {
	if r, ok := t.Of.(*record); ok && !sg.run.counts { // the usual way, without an interface
		sg.beginRecord(w, t, r, w.Lane(), run)
		return
	}
	c := t.Of.(carrier)
	if o, ok := c.(*slot); ok {
		w.slot = o
		sg.begin(w, o.inner, o.carrier(), run)
		sg.orderOf(o.owner()).through(w, o)
	} else {
		sg.begin(w, t, c, run)
	}
	if sg.run.counts {
		c.owner().ended() // behind everything that the task could pass on
	}
}

func (sg *stage) begin(w *worker, t *lane.Task, c carrier, run func(*worker, *lane.Task)) {
	if f, ok := c.(*flushTask); ok {
		f.part.lapse()
		w.group, w.left = f.group, false
		w.flush[f.step](f.part, f.group)
		return
	}
	group := c.groupID()
	if sg.index == 0 {
		group = w.Lane()
	}
	sg.beginRecord(w, t, c.record(), group, run)
}

func (sg *stage) beginRecord(w *worker, t *lane.Task, r *record, group uint64, run func(*worker, *lane.Task)) {
	w.left = false
	if !sg.admits(w, r) {
		r.abandon()
		return
	}
	w.group = group
	w.cur.Store(r)
	var noted *context.Context
	if sg.greets {
		noted = sg.run.begin(r)
	}
	run(w, t)
	if noted != nil {
		sg.run.through(r, noted)
	}
}

// admits reports whether work on r begins, and notes that it does.
func (sg *stage) admits(w *worker, r *record) bool {
	r.part.lapse()
	flags := r.part.flags.Load()
	if sg.index == 0 && sg.lanes != perPart && flags&closing == 0 { // in one lane, all that has begun lies before what has not
		r.slab.Tickets[r.i].Begin()
		flags = r.part.flags.Load() // again: who raises closing looks for what has begun after that
	}
	return flags == 0 || !sg.drops(w, r, flags)
}

// drops reports whether a task must not be begun: its partition is frozen or gone, or is closing and the record, still where it came in, lies behind
// all that has begun, or what was before it in its lane was given up.
func (sg *stage) drops(w *worker, r *record, flags uint32) bool {
	return w.stops(r) || flags&closing != 0 && !r.after && sg.index == 0 && r.offset() > r.part.frontier()
}

// bulk is the work of a pool that takes what a lane has queued in one call (To).
func (sg *stage) bulk(lw *lane.Worker) func([]*lane.Task) {
	w, next := sg.compile(lw)
	st := sg.run.stepOf(sg.plan.head)
	write := sg.plan.head.write(w, st, sg.open, next)
	var live []*lane.Task
	return func(ts []*lane.Task) {
		w.left = false
		live = live[:0]
		for _, t := range ts {
			c := t.Of.(carrier)
			if f, ok := c.(*flushTask); ok {
				if len(live) > 0 { // what came before the flush goes before it
					write(live)
					live = live[:0]
				}
				f.part.lapse()
				w.flush[f.step](f.part, f.group)
				continue
			}
			if r := c.record(); !sg.admits(w, r) {
				r.abandon()
				continue
			} else if sg.greets {
				sg.run.begin(r)
			}
			live = append(live, t)
		}
		if len(live) > 0 {
			write(live)
		}
		if sg.run.counts {
			ts[0].Of.(carrier).owner().endedN(len(ts))
		}
	}
}
