package stream

import "slices"

// How chains come together in a stage.

// inPlan is how elements of some sources come into a stage.
type inPlan struct {
	sources []int
	first   any     // their type
	nodes   []*node // words of their chain that run in the stage's worker, above its own
	starts  bool    // they are the source's records
}

// source begins the chain of a source.
func (p *planner) source(n *node) {
	i := slices.IndexFunc(p.plan.sources, func(s *sourcePlan) bool { return s.node == n })
	p.sources = []int{i}
	p.startStage(n.out)
	p.stage.ins = []inPlan{{sources: p.sources, first: n.out, starts: true}}
}

// merge cuts the chains above a Merge, and opens the stage below.
func (p *planner) merge(n *node) {
	var ins []inPlan
	var regrouped, fans bool
	for _, end := range n.merged() {
		above := &planner{plan: p.plan}
		above.words(end.line())
		in := above.leave()
		ins = append(ins, in...)
		p.sources = append(p.sources, above.sources...)
		p.ended = append(p.ended, above.ended...)
		p.group = above.group // check has found all to be equal
		p.fans = p.fans || above.fans
		regrouped = regrouped || above.stage.regrouped
	}
	p.startStage(n.out)
	p.stage.ins, p.stage.regrouped = ins, regrouped
	for _, n := range p.stage.above() {
		fans = fans || multiplies(n.op)
	}
	p.fans = fans
}

// leave ends the chain above a Merge, and returns how its elements come into the stage below. Words
// that no degree word has taken run there, but for those that collect elements, or that need the
// group of a GroupBy(f).
func (p *planner) leave() []inPlan {
	if slices.ContainsFunc(p.pending, collects) || p.stage.group == byFunc && p.plan.groupIsFor(p.pending) {
		p.flush()
	}
	waiting, sg := p.pending, p.stage
	p.pending = nil
	if len(sg.ins) > 0 && sg.degree == nil && sg.head == nil && len(sg.nodes) == 0 {
		for i := range sg.ins {
			sg.ins[i].nodes = slices.Concat(sg.ins[i].nodes, waiting)
		}
		p.reopen(sg)
		return sg.ins
	}
	p.endStage(nil)
	return []inPlan{{sources: p.sources, first: sg.out, nodes: waiting}}
}

// reopen drops a stage that nothing runs in. Those that pass their elements to it are to pass them
// to the stage that is opened next.
func (p *planner) reopen(sg *stagePlan) {
	for _, above := range p.plan.stages {
		if above.next == sg {
			p.ended = append(p.ended, above)
		}
	}
	p.fans = p.fans || sg.fanned
}

// in returns how the elements of a source come into the stage.
func (sg *stagePlan) in(source int) inPlan {
	for _, in := range sg.ins {
		if slices.Contains(in.sources, source) {
			return in
		}
	}
	return inPlan{first: sg.first}
}

// starts reports whether records of a source start in the stage.
func (sg *stagePlan) starts(source int) bool { return sg.in(source).starts }

// of returns the words that elements of a source pass in the stage.
func (sg *stagePlan) of(source int) []*node { return slices.Concat(sg.in(source).nodes, sg.nodes) }

// above returns the words of chains above a Merge that run in the stage.
func (sg *stagePlan) above() (all []*node) {
	for _, in := range sg.ins {
		all = append(all, in.nodes...)
	}
	return all
}

// all returns every word of the stage, but for those of branches.
func (sg *stagePlan) all() []*node { return slices.Concat(sg.above(), sg.nodes) }

// start returns the stage in which records of a source start.
func (p *plan) start(source int) *stagePlan {
	i := slices.IndexFunc(p.stages, func(sg *stagePlan) bool { return sg.starts(source) })
	return p.stages[i]
}
