package stream

import "slices"

// newPlan cuts a chain that check has accepted into stages.
func newPlan(end *node, from []*sourcePlan) *plan {
	p := &planner{plan: &plan{nodes: end.all(), sources: from, steps: map[*node]*stepPlan{}}}
	p.plan.nameSteps()
	p.chain(end)
	p.endStage(nil)
	p.plan.govern(end)
	return p.plan
}

// chain cuts the words down to end, and leaves the last stage open.
func (p *planner) chain(end *node) {
	chain := end.chain()
	switch op := chain[0].op.(type) {
	case mergeOp:
		p.merge(op, chain[0].out)
	default:
		i := slices.IndexFunc(p.plan.sources, func(s *sourcePlan) bool { return s.node == chain[0] })
		p.sources = []int{i}
		p.startStage(chain[0].out)
		p.stage.ins = []inPlan{{sources: p.sources, first: chain[0].out, starts: true}}
	}
	for _, n := range chain[1:] {
		n.op.place(p, n)
	}
}

// merge cuts the chains above a Merge. Words of each that no degree word has taken run in the first
// stage below it.
func (p *planner) merge(op mergeOp, out any) {
	var ins []inPlan
	for _, end := range op.ends {
		above := &planner{plan: p.plan}
		above.chain(end)
		ins = append(ins, above.leave()...)
		p.ends = append(p.ends, above.ends...)
		p.sources = append(p.sources, above.sources...)
		p.group = above.group // check has found all to be equal
		p.fans = p.fans || above.fans
	}
	p.startStage(out)
	p.stage.ins = ins
	for _, in := range ins {
		p.fans = p.fans || slices.ContainsFunc(in.nodes, (*node).fans)
	}
}

// fans reports whether the word can make many elements of one.
func (n *node) fans() bool {
	_, fans := n.op.(interface{ fans() })
	return fans
}

// leave ends the chain above a Merge, and returns how its elements come into the stage below.
func (p *planner) leave() []inPlan {
	waiting := p.pending
	collects := slices.ContainsFunc(waiting, func(n *node) bool { _, is := n.op.(interface{ collects() }); return is })
	if collects {
		waiting = nil
		p.flush()
	}
	p.pending = nil
	if sg := p.stage; sg.degree == nil && sg.head == nil && len(sg.nodes) == 0 && len(sg.ins) > 0 {
		for i := range sg.ins {
			sg.ins[i].nodes = slices.Concat(sg.ins[i].nodes, waiting)
		}
		return sg.ins
	}
	p.endStage(nil)
	return []inPlan{{sources: p.sources, first: p.stage.out, nodes: waiting}}
}

// all returns the words down to n, with those above each Merge, each below those above it.
func (n *node) all() (ns []*node) {
	chain := n.chain()
	if merge, ok := chain[0].op.(mergeOp); ok {
		for _, end := range merge.ends {
			if end != nil {
				ns = append(ns, end.all()...)
			}
		}
	}
	return append(ns, chain...)
}

// planner cuts a chain into stages, word by word.
type planner struct {
	plan    *plan
	sources []int        // of the chain
	stage   *stagePlan   // the open one
	ends    []*stagePlan // ended ones, which pass to the next that starts
	pending []*node      // words that run in the worker of the next degree word
	group   grouping
	below   bool // of CommitBefore
	fans    bool // the open stage can make many elements of one
}

// value adds a word that runs in the worker of the next degree word below.
func (p *planner) value(n *node) {
	p.pending = append(p.pending, n)
	p.note(n)
}

// regroup sets the order that holds from here on.
func (p *planner) regroup(g grouping) {
	p.group = g
	if sg := p.stage; sg.degree == nil && sg.head == nil && len(sg.nodes) == 0 {
		sg.group = g
	}
}

// exit ends the open stage with n, and starts the stage that n passes its elements to.
func (p *planner) exit(n *node) {
	p.note(n)
	p.flush()
	p.endStage(n)
	p.startStage(n.out)
}

// boundary ends the open stage above the pending words.
func (p *planner) boundary() {
	waiting := p.pending
	p.pending = nil
	p.endStage(nil)
	p.startStage(p.stage.out)
	p.pending = waiting
}

// note records the order that holds at a node.
func (p *planner) note(n *node) {
	if sp := p.plan.steps[n]; sp != nil {
		sp.group, sp.below = p.group, p.below
	}
}

func (p *planner) startStage(in any) {
	p.stage = &stagePlan{first: in, out: in, group: p.group, fanned: p.fans}
	p.fans = false
	for _, sg := range p.ends {
		sg.next = p.stage
	}
	p.ends = nil
}

// flush moves the pending words into the open stage.
func (p *planner) flush() {
	for _, n := range p.pending {
		p.stage.nodes = append(p.stage.nodes, n)
		p.stage.out = n.out
		p.fans = p.fans || n.fans()
	}
	p.pending = nil
}

func (p *planner) endStage(exit *node) {
	p.flush()
	sg := p.stage
	sg.exit = exit
	sg.lane()
	for _, in := range sg.ins {
		for _, n := range in.nodes {
			p.plan.steps[n].stage = len(p.plan.stages)
		}
	}
	for _, n := range sg.nodes {
		p.plan.steps[n].stage = len(p.plan.stages)
	}
	if exit != nil {
		if sp := p.plan.steps[exit]; sp != nil {
			sp.stage = len(p.plan.stages)
		}
	}
	p.plan.stages, p.ends = append(p.plan.stages, sg), append(p.ends, sg)
}

// lane decides how the stage orders its tasks, and how many workers it has.
func (sg *stagePlan) lane() {
	switch d := sg.degree; {
	case sg.head != nil || d == nil:
		sg.lanes = perPart
	case sg.group == byKey || sg.group == byFunc:
		sg.lanes, sg.slots = perGroup, d.n
	case sg.group == byPartition && d.serial:
		sg.lanes = perPart // all partitions in parallel
	case sg.group == byPartition:
		sg.lanes, sg.slots = perPart, d.n
	case d.serial:
		sg.lanes, sg.slots = perPart, 1
	default:
		sg.lanes, sg.slots = loose, d.n
		sg.keepOrder = d.keepOrder
	}
}

// collectsOtherwise reports whether a pending word collects elements in an order that the workers
// of the degree word below it do not keep, and returns that order.
func (p *planner) collectsOtherwise(keepOrder bool) (grouping, bool) {
	i := slices.IndexFunc(p.pending, func(n *node) bool {
		group := p.plan.steps[n].group
		_, collects := n.op.(interface{ collects() })
		return collects && (keepOrder || group != ungrouped && group != p.group)
	})
	if i < 0 {
		return 0, false
	}
	return p.plan.steps[p.pending[i]].group, true
}
