package stream

import "slices"

// cut makes a plan of a chain that check has accepted.
func cut(end *node) *plan {
	p := &plan{nodes: end.chain(), steps: map[*node]*stepPlan{}}
	p.nameSteps()
	c := &cutter{plan: p}
	c.open(p.nodes[0].out)
	for _, n := range p.nodes[1:] {
		n.op.cut(c, n)
	}
	c.close(nil)
	p.govern()
	return p
}

// cutter cuts a chain into stages, word by word.
type cutter struct {
	plan    *plan
	stage   *stagePlan // the open one
	pending []*node    // words that run in the worker of the next degree word
	group   grouping
	below   bool // of CommitBefore
	fans    bool // the open stage can make many elements of one
}

// value adds a word that runs in the worker of the next degree word below.
func (c *cutter) value(n *node) {
	c.pending = append(c.pending, n)
	c.note(n)
}

// regroup sets the order that holds from here on.
func (c *cutter) regroup(g grouping) {
	c.group = g
	if sg := c.stage; sg.degree == nil && sg.head == nil && len(sg.nodes) == 0 {
		sg.group = g
	}
}

// exit ends the open stage with n, and starts the stage that n passes its elements to.
func (c *cutter) exit(n *node) {
	c.note(n)
	c.take()
	c.close(n)
	c.open(n.out)
}

// boundary ends the open stage above the pending words.
func (c *cutter) boundary() {
	waiting := c.pending
	c.pending = nil
	c.close(nil)
	c.open(c.stage.out)
	c.pending = waiting
}

// note records the order that holds at a node.
func (c *cutter) note(n *node) {
	if sp := c.plan.steps[n]; sp != nil {
		sp.group, sp.below = c.group, c.below
	}
}

func (c *cutter) open(in any) {
	c.stage = &stagePlan{first: in, out: in, group: c.group, fanned: c.fans}
	c.fans = false
}

// take moves the pending words into the open stage.
func (c *cutter) take() {
	for _, n := range c.pending {
		c.stage.nodes = append(c.stage.nodes, n)
		c.stage.out = n.out
		_, fans := n.op.(interface{ fans() })
		c.fans = c.fans || fans
	}
	c.pending = nil
}

func (c *cutter) close(exit *node) {
	c.take()
	sg := c.stage
	sg.exit = exit
	sg.lane()
	for _, n := range sg.nodes {
		c.plan.steps[n].stage = len(c.plan.stages)
	}
	if exit != nil {
		if sp := c.plan.steps[exit]; sp != nil {
			sp.stage = len(c.plan.stages)
		}
	}
	c.plan.stages = append(c.plan.stages, sg)
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
func (c *cutter) collectsOtherwise(keepOrder bool) (grouping, bool) {
	i := slices.IndexFunc(c.pending, func(n *node) bool {
		group := c.plan.steps[n].group
		_, collects := n.op.(interface{ collects() })
		return collects && (keepOrder || group != ungrouped && group != c.group)
	})
	if i < 0 {
		return 0, false
	}
	return c.plan.steps[c.pending[i]].group, true
}
