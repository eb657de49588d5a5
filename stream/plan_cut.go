package stream

import "slices"

// newPlan cuts a chain that check has accepted into stages.
func newPlan(end *node, from []*sourcePlan) *plan {
	line := end.line()
	p := &planner{plan: &plan{nodes: slices.Collect(end.walk), sources: from, steps: map[*node]*stepPlan{}, forks: map[*node]*forkPlan{}}}
	p.plan.nameSteps()
	p.cut(line)
	end.governed(nil, func(n *node, ps []*policy) { p.plan.steps[n].policies = ps })
	p.plan.number(line, nil, 0, history{single: true})
	return p.plan
}

// cut cuts a line into stages.
func (p *planner) cut(line []*node) {
	p.words(line)
	p.endStage(nil)
}

// words cuts a line, and leaves its last stage open.
func (p *planner) words(line []*node) {
	switch first := line[0]; {
	case first.isHead():
		p.startStage(first.out)
	case first.merged() != nil:
		p.merge(first)
	default:
		p.source(first)
	}
	for _, n := range line[1:] {
		n.op.place(p, n)
	}
}

// planner cuts a chain into stages, word by word.
type planner struct {
	plan    *plan
	sources []int        // whose elements come here; nil in a branch
	stage   *stagePlan   // the open one
	ended   []*stagePlan // the stages above it, whose elements go there
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

// regroup sets the order that holds from here on. Words above that run in the open stage may need
// the group of a GroupBy(f), which only the stage's elements tell.
func (p *planner) regroup(g grouping) {
	p.group = g
	sg := p.stage
	needed := sg.group == byFunc && len(p.pending)+len(sg.above()) > 0
	if sg.degree == nil && sg.head == nil && len(sg.nodes) == 0 && !needed {
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

// boundary ends the open stage above the pending words. The next one begins in the group of a
// GroupBy(f) if some of them are in it.
func (p *planner) boundary() {
	waiting, above := p.pending, p.stage
	p.pending = nil
	p.endStage(nil)
	p.startStage(above.out)
	p.pending = waiting
	if above.group == byFunc && p.plan.anyIn(waiting, func(g grouping) bool { return g == byFunc }) {
		p.stage.group = byFunc
	}
	p.stage.regrouped = p.plan.anyIn(waiting, func(g grouping) bool { return g != p.stage.group })
}

// anyIn reports whether a step among nodes is in a group of a kind.
func (p *plan) anyIn(nodes []*node, kind func(grouping) bool) bool {
	return slices.ContainsFunc(nodes, func(n *node) bool { sp := p.steps[n]; return sp != nil && kind(sp.group) })
}

// note records the order that holds at a node.
func (p *planner) note(n *node) {
	if sp := p.plan.steps[n]; sp != nil {
		sp.group, sp.below = p.group, p.below
		p.stage.regrouped = p.stage.regrouped || p.group != p.stage.group
	}
}

// startStage opens a stage behind those that have ended.
func (p *planner) startStage(in any) {
	p.stage = &stagePlan{sources: p.sources, first: in, out: in, group: p.group, fanned: p.fans}
	for _, sg := range p.ended {
		sg.next = p.stage
	}
	p.ended, p.fans = nil, false
}

// flush moves the pending words into the open stage.
func (p *planner) flush() {
	for _, n := range p.pending {
		p.stage.nodes = append(p.stage.nodes, n)
		p.stage.out = n.out
		_, fans := n.op.(interface{ fans() })
		p.fans = p.fans || fans
	}
	p.pending = nil
}

func (p *planner) endStage(exit *node) {
	p.flush()
	sg := p.stage
	sg.exit = exit
	sg.lane()
	p.add(sg)
	p.ended = append(p.ended, sg)
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

// needsOtherwise reports whether a pending word collects elements, or its branch gets them, in an
// order that the workers of the degree word below it do not keep, and returns that order.
func (p *planner) needsOtherwise(d *degree) (grouping, bool) {
	workers := &stagePlan{group: p.group, degree: d}
	workers.lane()
	words := p.plan.words(slices.Concat(p.stage.above(), p.pending))
	i := slices.IndexFunc(words, func(n *node) bool {
		if branch := p.plan.branchOf(n); branch != nil {
			return !workers.gives(p.plan.needs(branch)) || p.group != byFunc && p.plan.needsGroup(branch)
		}
		group := p.plan.steps[n].group
		return collects(n) && (d.keepOrder || group != ungrouped && group != p.group)
	})
	if i < 0 {
		return 0, false
	}
	return p.plan.steps[words[i]].group, true
}
