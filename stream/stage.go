package stream

import (
	"context"
	"slices"
	"sync"

	"github.com/laneway-go/laneway/internal/lane"
)

// stage is the nodes between two boundaries, which run in one worker.
type stage struct {
	exec         *executor
	index        int
	plan         *stagePlan
	group        grouping // in effect at its start
	hasStartHook bool     // records are started here and an observer has a start hook
	lanes        laning
	marks        bool // records may start out of order, so tickets note that they have started
	pool         *lane.Pool
	elems        sync.Pool  // of *elem[T]
	ins          []way      // by source; one of them: for all sources
	transform    *transform // the Transform that ends it, or nil
}

// compile links the stage's nodes for one worker and returns the push of the first one.
func (sg *stage) compile(lw *lane.Worker) (*worker, any) {
	w := &worker{Worker: lw, stage: sg, flush: map[*step]func(*part, uint64){}}
	next := sg.exit(w)
	next = sg.link(w, sg.plan.nodes, next)
	sg.exec.enroll(w)
	return w, next
}

// link returns the push of the first of nodes, the last of which passes on to next.
func (sg *stage) link(w *worker, nodes []*node, next any) any {
	for _, n := range slices.Backward(nodes) {
		if n == sg.plan.paced && sg.plan.keepOrder {
			next = n.out.(typed).ordered(w, next)
		}
		switch o := n.op.(type) {
		case forker:
			next = o.fork(w, sg.exec.stepOf(n), sg.branch(w, n), next)
		case linker:
			next = o.link(w, sg.exec.stepOf(n), next)
		}
	}
	return next
}

// branch returns the push of the first word of a fork's branch.
func (sg *stage) branch(w *worker, fork *node) any {
	first := fork.out.(typed) // of the same type on both sides
	f := sg.exec.plan.forks[fork]
	if f.stages != nil {
		return first.boundary(w, sg.exec.stages[f.stages[0].index])
	}
	last := first
	if n := len(f.inline); n > 0 {
		last = f.inline[n-1].out.(typed)
	}
	return sg.link(w, f.inline, last.finish(w, sg.exec.finish))
}

// next returns the stage that follows, or nil.
func (sg *stage) next() *stage {
	if sg.plan.next == nil {
		return nil
	}
	return sg.exec.stages[sg.plan.next.index]
}

// exit returns the push after the last node of the stage.
func (sg *stage) exit(w *worker) any {
	last := sg.plan.out.(typed)
	to := sg.next()
	if to == nil {
		return last.finish(w, sg.exec.finish)
	}
	e := sg.plan.exit
	if e == nil {
		return last.boundary(w, to)
	}
	if sg.transform != nil {
		return sg.transform.push
	}
	if o, ok := e.op.(sender); ok {
		return o.send(w, sg.exec.stepOf(e), to)
	}
	return last.barrier(to)
}

// one returns the func of a worker that processes tasks one by one.
func (sg *stage) one(lw *lane.Worker) func(*lane.Task) {
	w, next := sg.compile(lw)
	runs := sg.entries(w, next)
	if len(runs) == 1 {
		run := runs[0]
		return func(t *lane.Task) {
			sg.work(w, t, run)
			w.ended()
		}
	}
	return func(t *lane.Task) {
		sg.work(w, t, runs[carrierOf(t).owner().source])
		w.ended()
	}
}

func (sg *stage) work(w *worker, t *lane.Task, run func(*worker, *lane.Task)) {
	if t.Kind == kindOfRecord && !sg.exec.counts {
		r := recordOf(t) // the common case, without an interface
		sg.beginRecord(w, t, r, w.Lane(), run)
		return
	}
	c := carrierOf(t)
	if o, ok := c.(*slot); ok {
		w.slot = o
		sg.begin(w, o.inner, o.carrier(), run)
		sg.orderOf(o.owner()).through(w, o)
	} else {
		sg.begin(w, t, c, run)
	}
	if sg.exec.counts {
		c.owner().ended() // after all that the task may pass on was counted
	}
}

func (sg *stage) begin(w *worker, t *lane.Task, c carrier, run func(*worker, *lane.Task)) {
	if f, ok := c.(*flushTask); ok {
		f.part.loseIfExpired()
		w.group, w.left = f.group, false
		w.flush[f.step](f.part, f.group)
		return
	}
	group := c.groupID() // a bare record has no room for it, so in the first stage the lane's name is it
	if c.owner().entry == sg.index {
		group = w.Lane()
	}
	sg.beginRecord(w, t, c.record(), group, run)
}

func (sg *stage) beginRecord(w *worker, t *lane.Task, r *record, group uint64, run func(*worker, *lane.Task)) {
	w.left = false
	if sg.paces(r) {
		sg.awaitRate(w, r, func() {})
		// A drain wakes all that wait. None of them may look started to the others, or they start.
		if s := r.part.status(); s != 0 && sg.drops(w, r, s) {
			sg.drop(r)
			return
		}
	}
	r.part.loseIfExpired()
	// cur is set before the status is read. A drain sets the status and then looks for started
	// records, so one of the two sees the other.
	w.cur.Store(r)
	if s := r.part.status(); s != 0 {
		w.cur.Store(nil)
		if sg.drops(w, r, s) {
			sg.drop(r)
			return
		}
		w.cur.Store(r)
	}
	w.group = group
	var noted *context.Context
	if sg.hasStartHook && r.part.entry == sg.index {
		noted = sg.exec.begin(r)
	}
	run(w, t)
	if sg.marks && r.joined == nil {
		// the record is in a later stage or held back: its ticket takes over from cur
		if t := &r.slab.Tickets[r.Index]; t.Held() {
			t.Begin()
		}
	}
	if noted != nil {
		sg.exec.through(r, noted)
	}
}

// paces reports whether the start of a record has to wait for the pipeline's rate.
func (sg *stage) paces(r *record) bool {
	return sg.exec.rate.now.Load() != nil && r.part.entry == sg.index
}

// awaitRate waits for the pipeline's rate. first is called before the wait, if there is one. The
// record is not started yet. As long as cur has it, for Explain alone, the hold says so: see
// executor.started.
func (sg *stage) awaitRate(w *worker, r *record, first func()) {
	waited := sg.exec.rate.await(w, r, func() {
		first()
		w.holds(beforeItsStart)
		w.cur.Store(r)
	})
	if waited {
		w.cur.Store(nil)
		w.holds(nil)
	}
}

// drops reports whether a task must not be started. A drain drops records that were not started yet
// (see lastStarted); for the other cases see worker.stops.
func (sg *stage) drops(w *worker, r *record, stands status) bool {
	return w.stops(r) || stands.life() >= draining && r.part.entry == sg.index && r.offset() > r.part.lastStarted()
}

// drop abandons an element that is not started. Where records are started, no step has seen it.
func (sg *stage) drop(r *record) {
	if r.part.entry != sg.index || r.joined != nil {
		r.abandon()
		return
	}
	r.slab.Drop(r.Index)
	r.part.unparkSoon()
}

// bulk returns the func of a worker that processes all queued tasks of a lane in one call (To).
func (sg *stage) bulk(lw *lane.Worker) func([]*lane.Task) {
	w, next := sg.compile(lw)
	st := sg.exec.stepOf(sg.plan.head)
	write := sg.plan.head.op.(bulker).write(w, st, sg.plan.first.(typed).opener(), next)
	var live []*lane.Task
	writeLive := func() {
		if len(live) > 0 {
			write(live)
			live = live[:0]
		}
	}
	return func(ts []*lane.Task) {
		w.left = false
		live = live[:0]
		for _, t := range ts {
			c := carrierOf(t)
			if f, ok := c.(*flushTask); ok {
				writeLive() // elements queued before the flush are written before it
				w.flush[f.step](f.part, f.group)
				continue
			}
			r := c.record()
			if sg.paces(r) {
				sg.awaitRate(w, r, writeLive)
			}
			r.part.loseIfExpired()
			if s := r.part.status(); s != 0 && sg.drops(w, r, s) {
				sg.drop(r)
				continue
			}
			if sg.hasStartHook && r.part.entry == sg.index {
				sg.exec.begin(r)
			}
			live = append(live, t)
		}
		writeLive()
		if sg.exec.counts {
			carrierOf(ts[0]).owner().endedN(len(ts))
		}
		w.ended()
	}
}
