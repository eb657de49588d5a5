package stream

import "slices"

// forkPlan is how the branch of a fork runs.
type forkPlan struct {
	inline []*node      // in the fork's worker, or
	stages []*stagePlan // in stages of its own
}

// fork cuts the branch of a fork.
func (p *planner) fork(n *node) {
	line, f := n.branch.line(), new(forkPlan)
	p.plan.forks[n] = f
	sub := &planner{plan: &plan{steps: p.plan.steps, forks: p.plan.forks}, sources: p.sources, group: p.group, below: p.below}
	if !slices.ContainsFunc(line, func(n *node) bool { return !n.runsInline() }) {
		sub.startStage(line[0].out)
		for _, n := range line[1:] {
			n.op.place(sub, n)
		}
		f.inline = sub.pending
		return
	}
	sub.cut(line)
	f.stages = sub.plan.stages
	if p.stage.degree != nil || p.stage.head != nil {
		p.flush() // so that the next stage of the main line does not hold the branch
	}
}

// runsInline reports whether a word of a branch can run in the worker of its fork. A word that
// waits, or has a degree, cannot: it would hold the main line. A middleware may wait, such as a
// breaker's, and a Timeout is for calls that may take long.
func (n *node) runsInline() bool {
	i, ok := n.op.(interface{ inline() bool })
	return ok && i.inline() && len(n.opts.use) == 0 && !n.opts.hasTimeout
}

// words returns nodes and the words of branches that run in the same worker, in order.
func (p *plan) words(nodes []*node) (all []*node) {
	for _, n := range nodes {
		all = append(all, n)
		if f := p.forks[n]; f != nil {
			all = append(all, p.words(f.inline)...)
		}
	}
	return all
}

// branchOf returns the first stage of a fork's branch that has stages of its own; nil: n has none.
func (p *plan) branchOf(n *node) *stagePlan {
	if f := p.forks[n]; f != nil && len(f.stages) > 0 {
		return f.stages[0]
	}
	return nil
}

// add adds a stage, and behind it those of its branches.
func (p *planner) add(sg *stagePlan) {
	sg.index = len(p.plan.stages)
	p.plan.stages = append(p.plan.stages, sg)
	words := p.plan.words(sg.all())
	fans := slices.ContainsFunc(words, func(n *node) bool { return multiplies(n.op) })
	for _, n := range words {
		first := p.plan.branchOf(n)
		if first == nil {
			continue
		}
		first.fanned = fans
		for _, sg := range p.plan.forks[n].stages {
			sg.index = len(p.plan.stages)
			p.plan.stages = append(p.plan.stages, sg)
		}
	}
}

// needs returns the order in which a stage has to get its elements; ungrouped: in any. A stage with
// a degree word or a To makes lanes for the words below, whatever they need.
func (p *plan) needs(sg *stagePlan) grouping {
	makes := sg.degree != nil || sg.head != nil
	switch {
	case !makes && (sg.regrouped || p.forksNeedMore(sg)):
		return byPartition
	case sg.group != ungrouped:
		return sg.group
	case sg.lanes == loose && !sg.keepOrder:
		return ungrouped
	}
	return byPartition
}

// forksNeedMore reports whether a fork that runs in the stage's worker has a branch that needs
// another order than the stage's.
func (p *plan) forksNeedMore(sg *stagePlan) bool {
	return slices.ContainsFunc(p.words(sg.all()), func(n *node) bool {
		branch := p.branchOf(n)
		if branch == nil {
			return false
		}
		need := p.needs(branch)
		return need != ungrouped && need != sg.group
	})
}

// gives reports whether the workers of the stage pass elements on in an order that a branch needs.
func (sg *stagePlan) gives(g grouping) bool {
	return g == ungrouped || sg.lanes == perPart || sg.lanes == perGroup && g == sg.group
}

// needsGroup reports whether a stage, or what its elements reach, works in the group of a
// GroupBy(f) above it. No record tells that group: it comes from a stage that is in it.
func (p *plan) needsGroup(sg *stagePlan) bool {
	if sg == nil {
		return false
	}
	works := sg.group == byFunc && sg.lanes == perGroup || p.groupIsFor(sg.all())
	return works || !sg.endsInGroups() && p.needsGroup(sg.next)
}

// groupIsFor reports whether a word that runs with nodes, or the branch of one, works in the group
// of a GroupBy(f) above.
func (p *plan) groupIsFor(nodes []*node) bool {
	return slices.ContainsFunc(p.words(nodes), func(n *node) bool {
		return p.needsGroup(p.branchOf(n)) || collects(n) && p.steps[n].group == byFunc
	})
}

// endsInGroups reports whether a GroupBy(f) ends the stage.
func (sg *stagePlan) endsInGroups() bool { return sg.exit != nil && sg.exit.op.does() == calls }

// branch checks the branch of a fork, which begins with what holds at the fork.
func (c *checker) branch(fork *node) {
	line := fork.branch.line()
	if !hasWork(line) {
		c.say(faultBranch, fork.label(), "its branch does nothing to elements", "end the branch with a step that works, such as To or Tap; to drop elements use Filter")
	}
	was := *c
	c.fork = fork
	c.line(line, nil)
	was.faults, was.commit = c.faults, c.commit
	*c = was
}

// hasWork reports whether a step of a line works on elements, in whichever branch.
func hasWork(line []*node) bool {
	return slices.ContainsFunc(line, func(n *node) bool {
		return n.op.does() == works || n.branch != nil && hasWork(n.branch.line())
	})
}
