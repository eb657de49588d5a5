package stream

import "slices"

// cut makes a plan of a chain that check has found right.
func cut(end *node) *plan {
	p := &plan{nodes: end.chain(), steps: map[*node]*stepPlan{}}
	p.nameSteps()
	c := &cutter{plan: p}
	c.open(p.nodes[0].out)
	for i, n := range p.nodes[1:] {
		c.add(n, p.workBelow(i+2))
	}
	c.close(nil)
	p.govern()
	return p
}

// cutter cuts a chain, word by word.
type cutter struct {
	plan    *plan
	sg      *stagePlan
	pending []*node // value steps that wait for the degree word below
	group   grouping
	below   bool
	fans    bool // the open stage can make many elements of one
}

func (c *cutter) open(in typed) {
	c.sg = &stagePlan{first: in, out: in, group: c.group, fanned: c.fans}
	c.fans = false
}

func (c *cutter) add(n *node, workBelow bool) {
	switch n.kind {
	case kindMap, kindFilter, kindFlatMap, kindBatch, kindThrottle:
		if d := c.sg.degree; n.kind == kindBatch && d != nil && (d.opts.keepOrder || c.group != ungrouped && c.group != c.sg.group) {
			waiting := c.pending // its batches follow one another, which the workers above do not see to
			c.pending = nil
			c.close(nil)
			c.open(c.sg.out)
			c.pending = waiting
		}
		c.pending = append(c.pending, n)
		c.note(n)
	case kindDegree:
		if c.sg.degree != nil || c.sg.head != nil {
			waiting := c.pending
			c.pending = nil
			c.close(nil)
			c.open(c.sg.out)
			c.pending = waiting
		}
		if b := slices.IndexFunc(c.pending, func(b *node) bool { return c.collectsOtherwise(b, n) }); b >= 0 {
			c.sg.group = c.plan.steps[c.pending[b]].group
			c.take() // what is collected must come in order, too: from one runner per partition
			c.close(nil)
			c.open(c.sg.out)
		}
		c.note(n)
		c.sg.degree = n
		c.sg.group = c.group
		c.pending = append(c.pending, n)
		c.take()
	case kindGroup:
		if n.send != nil {
			c.note(n)
			c.take()
			c.close(n)
			c.group = n.group
			c.open(n.out)
			return
		}
		c.group = n.group
		if c.sg.degree == nil && c.sg.head == nil && len(c.sg.nodes) == 0 {
			c.sg.group = c.group
		}
	case kindCommit:
		c.plan.commit = n
		if workBelow {
			c.plan.gated, c.below = true, true
			c.take()
			c.close(n)
			c.open(n.out)
		}
	case kindTransact:
		c.plan.commit = n
		c.pending = append(c.pending, n)
		c.note(n)
	case kindTo:
		c.take()
		if c.sg.degree != nil || c.sg.head != nil || len(c.sg.nodes) > 0 {
			c.close(nil)
			c.open(c.sg.out)
		}
		c.note(n)
		c.sg.head = n
		c.sg.nodes = append(c.sg.nodes, n)
	case kindTransform:
		c.note(n)
		c.take()
		c.close(n)
		c.fans = true
		c.open(n.out)
	}
}

// collectsOtherwise reports whether b is a Batch that collects in an order which the workers of the degree word below it do not keep.
func (c *cutter) collectsOtherwise(b, degree *node) bool {
	if b.kind != kindBatch {
		return false
	}
	group := c.plan.steps[b].group
	return degree.opts.keepOrder || group != ungrouped && group != c.group
}

// note remembers where a node stands.
func (c *cutter) note(n *node) {
	sp := c.plan.steps[n]
	sp.group, sp.below = c.group, c.below
}

// take puts the pending value steps into the open stage.
func (c *cutter) take() {
	for _, n := range c.pending {
		c.sg.nodes = append(c.sg.nodes, n)
		c.sg.out = n.out
		c.fans = c.fans || n.kind == kindFlatMap || n.kind == kindTransform
	}
	c.pending = nil
}

func (c *cutter) close(exit *node) {
	c.take()
	sg := c.sg
	sg.exit = exit
	switch d := sg.degree; {
	case sg.head != nil || d == nil:
		sg.lanes = perPart
	case sg.group == byKey || sg.group == byFunc:
		sg.lanes, sg.slots = perGroup, d.slots()
	case sg.group == byPartition:
		sg.lanes, sg.slots = perPart, d.slots()
	case d.serial:
		sg.lanes, sg.slots = perPart, 1
	default:
		sg.lanes, sg.slots = loose, d.n
		sg.keepOrder = d.opts.keepOrder
	}
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

// slots of a grouped degree word: Serial works on all groups side by side.
func (n *node) slots() int {
	if n.serial {
		return 0
	}
	return n.n
}
