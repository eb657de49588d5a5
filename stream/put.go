package stream

import "github.com/laneway-go/laneway/internal/lane"

// put puts an element into a lane of the stage. w is the worker that made it, or nil.
func (sg *stage) put(w *worker, r *record, group uint64, t *lane.Task) {
	p := r.part
	if sg.exec.counts {
		sg.exec.starts(p, 1)
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

// putAll puts fed records into the lanes of the first stage.
func (sg *stage) putAll(p *part, vs values) {
	recs := vs.all()
	if sg.exec.counts {
		sg.exec.starts(p, len(recs)) // before any Put: a task must not end before it is counted
	}
	b := p.sets[sg.index].Begin()
	defer b.End()
	if sg.lanes == perPart && !sg.plan.keepOrder {
		for i := range recs[1:] {
			lane.Link(&recs[i].Task, &recs[i+1].Task)
		}
		b.PutChain(0, &recs[0].Task, &recs[len(recs)-1].Task, int32(len(recs)))
		return
	}
	for i := range recs {
		r := &recs[i]
		t := &r.Task
		if sg.plan.keepOrder {
			t = sg.orderOf(p).enter(t)
		}
		switch sg.lanes {
		case loose:
			b.PutLoose(t)
		case perPart:
			b.Put(0, t)
		default:
			b.Put(vs.hash(i), t)
		}
	}
}

// idOf returns the group of r in the stage.
func (sg *stage) idOf(w *worker, r *record) uint64 {
	switch sg.group {
	case byKey:
		return w.keyOf(r)
	case byFunc:
		return w.group
	}
	return 0
}

// groupOf returns the group of r in the stage. f is its group of a GroupBy(f) above.
func (sg *stage) groupOf(f uint64, r *record) uint64 {
	switch sg.group {
	case byKey:
		return keyHash(r.key())
	case byFunc:
		return f
	}
	return 0
}

// backpressure has a worker that makes many elements of one wait until the next stage has caught
// up.
func (sg *stage) backpressure(w *worker, r *record, set *lane.Set) {
	if wait := set.Full(sg.exec.records); wait != nil {
		w.waitFor(inBackpressure, func() {
			select {
			case <-wait:
			case <-r.part.stopped():
			case <-r.Done():
			}
		})
	}
}
