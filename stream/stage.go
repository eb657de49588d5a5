package stream

import (
	"hash/maphash"
	"sync/atomic"

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

// finish is what happens to an element at the end of the chain.
type finish func(w *worker, r *record)

// worker is what a stage builds for each goroutine: the compiled chain, with scratch space per step.
type worker struct {
	*lane.Worker // nil outside a pool
	stage        *stage
	group        uint64 // of the element at hand
	flush        map[*step]func(*part, uint64)
	left         bool                   // something of the task at hand was given up while its partition was closing
	slot         *slot                  // where results go that have to keep their order
	ordered      func(*worker, held)    // passes such a result on
	cur          atomic.Pointer[record] // what it works on, to name it should it hang
}

// lend runs wait without holding a worker's slot.
func (w *worker) lend(wait func()) {
	if w.Worker == nil {
		wait()
		return
	}
	w.Worker.Lend(wait)
}

// poison: what follows in the current lane must not be begun, since what is before it stays undone.
func (w *worker) poison() {
	if w.Worker != nil {
		w.left = true
		w.Worker.Poison()
	}
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
	if sg.greets {
		sg.run.begin(r)
	}
	w.group = group
	w.cur.Store(r)
	run(w, t)
}

// admits reports whether work on r begins, and notes that it does.
func (sg *stage) admits(w *worker, r *record) bool {
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

// stops reports whether an element must go no further in its worker: its partition is frozen or gone, its context has ended, or what was before it in
// its lane was given up while the partition was closing.
func (w *worker) stops(r *record) bool {
	flags := r.part.flags.Load()
	return flags != 0 && (r.dropped() || r.Err() != nil || flags&closing != 0 && !r.after && w.Worker != nil && (w.left || w.Poisoned()))
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

// put hands one element to the stage. w may be nil.
func (sg *stage) put(w *worker, r *record, group uint64, t *lane.Task) {
	p := r.part
	if w != nil && r.after && r.dropped() { // the run is over, and nobody may come for it: it is named
		r.abandon()
		return
	}
	if sg.run.counts {
		p.starts(1)
	}
	if sg.plan.keepOrder {
		t = sg.orderOf(p).enter(t)
	}
	set := p.sets[sg.index]
	switch sg.lanes {
	case loose:
		set.PutLoose(t)
	case perPart:
		set.Put(0, t)
	default:
		set.Put(group, t)
	}
	if w != nil && sg.plan.fanned {
		sg.backpressure(w, r, set)
	}
}

// putAll hands the source's records to the first stage.
func (sg *stage) putAll(p *part, recs []record) {
	if sg.run.counts {
		p.starts(len(recs)) // before any Put: a task must not end before it is counted
	}
	b := p.sets[0].Begin()
	defer b.End()
	if sg.lanes == perPart && !sg.plan.keepOrder {
		for i := range recs[1:] {
			lane.Link(&recs[i].task, &recs[i+1].task)
		}
		b.PutChain(0, &recs[0].task, &recs[len(recs)-1].task, int32(len(recs)))
		return
	}
	for i := range recs {
		r := &recs[i]
		t := &r.task
		if sg.plan.keepOrder {
			t = sg.orderOf(p).enter(t)
		}
		switch sg.lanes {
		case loose:
			b.PutLoose(t)
		case perPart:
			b.Put(0, t)
		default:
			b.Put(keyHash(r.key()), t)
		}
	}
}

// idOf is the group that r has in the stage.
func (sg *stage) idOf(w *worker, r *record) uint64 {
	switch sg.group {
	case byKey:
		return w.keyOf(r)
	case byFunc:
		return w.group
	}
	return 0
}

// groupOf is the group that r has in the stage, where its group of a GroupBy(f) above is known.
func (sg *stage) groupOf(f uint64, r *record) uint64 {
	switch sg.group {
	case byKey:
		return keyHash(r.key())
	case byFunc:
		return f
	}
	return 0
}

// keyOf is the key's lane, known already where the worker's own stage has it.
func (w *worker) keyOf(r *record) uint64 {
	if sg := w.stage; sg != nil && sg.group == byKey && (sg.lanes == perGroup || sg.index > 0) {
		return w.group
	}
	return keyHash(r.key())
}

// keyHash: two keys that share a hash share a lane, which costs concurrency, never order.
func keyHash(key []byte) uint64 { return maphash.Bytes(keySeed, key) }

// backpressure holds a worker that makes many elements of one until the next stage has caught up.
func (sg *stage) backpressure(w *worker, r *record, set *lane.Set) {
	if wait := set.Full(sg.run.opts.records); wait != nil {
		w.lend(func() {
			select {
			case <-wait:
			case <-r.part.stopped():
			case <-r.Done():
			}
		})
	}
}
