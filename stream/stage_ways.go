package stream

import "github.com/laneway-go/laneway/internal/lane"

// A stage below a Merge takes elements of several chains. Words of a chain that no degree word has
// taken run in the stage's worker, above the stage's own.

// way is how the elements of one source come into a stage.
type way struct {
	first typed
	nodes []*node // of its own, in order
}

// makeStage makes a stage without what follows it.
func (x *executor) makeStage(sp *stagePlan) *stage {
	sg := &stage{exec: x, index: sp.index, plan: sp, group: sp.group, lanes: sp.lanes}
	if len(sp.ins) == 0 {
		sg.ins = []way{{first: sp.first.(typed)}}
	} else {
		sg.ins = make([]way, len(x.entries))
	}
	for _, in := range sp.ins {
		for _, source := range in.sources {
			sg.ins[source] = way{in.first.(typed), in.nodes}
			if in.starts {
				x.entries[source] = sg
				sg.hasStartHook, sg.marks = len(x.startHooks) > 0, sp.lanes != perPart
			}
		}
	}
	above := false
	for _, n := range x.plan.words(sp.all()) {
		st := x.steps[n]
		st.stage, st.later = sg, above
		above = above || n.isStep()
	}
	if e := sp.exit; e != nil && x.steps[e] != nil {
		x.steps[e].stage = sg
	}
	cfg := lane.Config{Slots: sp.slots, Count: sp.fanned, Go: x.spawn, Idle: x.idle, Waiting: &x.waiting, One: sg.one, Free: sg.free()}
	if d := sp.degree; d != nil {
		cfg.MaxPartitions = d.maxPartitions
	}
	if sp.head != nil {
		cfg.Bulk, cfg.Work = writeAtOnce, sg.bulk
	}
	sg.pool = lane.NewPool(cfg)
	return sg
}

// entries returns the funcs that take a task of each source to next, the push of the stage's first
// node.
func (sg *stage) entries(w *worker, next any) []func(*worker, *lane.Task) {
	runs := make([]func(*worker, *lane.Task), len(sg.ins))
	for i, in := range sg.ins {
		if in.first != nil { // else the source does not come here
			runs[i] = in.first.entry(in.first.opener(), sg.link(w, in.nodes, next))
		}
	}
	return runs
}

// free returns the func that reuses an element once its task has ended. It is nil if only records
// come in.
func (sg *stage) free() func(*lane.Task) {
	frees, any := make([]func(*lane.Task), len(sg.ins)), false
	for i, in := range sg.ins {
		if in.first != nil && !sg.plan.starts(i) {
			frees[i], any = in.first.free(sg), true
		}
	}
	switch {
	case !any:
		return nil
	case len(frees) == 1:
		return frees[0]
	}
	return func(t *lane.Task) {
		if t.Kind == kindOfElem {
			frees[carrierOf(t).owner().source](t)
		}
	}
}
