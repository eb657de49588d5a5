package stream

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// plan is a chain cut into stages. A boundary lies before each degree word but the first of its stretch, around To and Transform, behind GroupBy(f),
// and at a commit with work below it; everything between two boundaries runs in one worker.
type plan struct {
	nodes  []*node
	stages []*stagePlan
	steps  map[*node]*stepPlan
	commit *node // nil: none
	gated  bool  // work stands below the commit
	name   string
}

// stagePlan is what runs between two boundaries.
type stagePlan struct {
	nodes     []*node
	first     typed    // of the elements that come in
	out       typed    // and of those that go out
	group     grouping // in effect where it begins
	lanes     laning
	slots     int   // 0: one per lane that has work
	degree    *node // nil: one runner per partition
	head      *node // the To that it begins with
	exit      *node // what ends it, where that is not a plain boundary: a commit, a Transform, a GroupBy(f)
	keepOrder bool
	fanned    bool // the stage above can make many elements of one
}

// stepPlan is what a node is called and what governs it.
type stepPlan struct {
	name     string
	group    grouping
	stage    int
	policies []*policy
	below    bool // of the commit
}

func (n *node) chain() []*node {
	var ns []*node
	for ; n != nil; n = n.up {
		ns = append(ns, n)
	}
	slices.Reverse(ns)
	return ns
}

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

// workBelow reports whether a step or a shape stands at or behind nodes[i].
func (p *plan) workBelow(i int) bool {
	return slices.ContainsFunc(p.nodes[min(i, len(p.nodes)):], func(n *node) bool {
		return n.isStep() || n.kind == kindBatch || n.kind == kindThrottle
	})
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

// govern gives each step the policies below it, down to the first that ends the matter.
func (p *plan) govern() {
	for i, n := range p.nodes {
		if !n.isStep() {
			continue
		}
		p.steps[n].policies = governing(p.nodes[i+1:])
	}
}

// governing is the policies of a step that stands above the given nodes: down to the first that no failure gets past. What a dead-letter write leaves
// over when it fails is for the policies directly below it, not for those of later steps.
func governing(below []*node) (ps []*policy) {
	fallback := false
	for _, n := range below {
		switch {
		case n.kind == kindPolicy:
			ps = append(ps, n.policy)
			if n.policy.ends() {
				return ps
			}
			fallback = fallback || n.policy.kind == deadLetterPolicy && n.policy.when == nil
		case fallback:
			return ps
		}
	}
	return ps
}

// nameSteps gives each node that runs a name: the user's, its function's, or its word and place.
func (p *plan) nameSteps() {
	taken := map[string]bool{}
	for _, n := range p.nodes {
		if n.opts.named {
			taken[n.opts.name] = true
		}
	}
	for i, n := range p.nodes {
		if !n.isStep() && n.kind != kindBatch && n.kind != kindThrottle {
			continue
		}
		name := n.name
		if n.opts.named {
			name = n.opts.name
		} else {
			if name == "" {
				name = strings.ToLower(n.word)
			}
			base := name
			for k := 2; taken[name]; k++ {
				name = fmt.Sprintf("%s-%d", base, k)
			}
			taken[name] = true
		}
		p.steps[n] = &stepPlan{name: name, stage: i}
	}
}

// funcName is the name of a function as its author wrote it; empty for a literal.
func funcName(f any) string {
	v := reflect.ValueOf(f)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	name := runtime.FuncForPC(v.Pointer()).Name()
	for open := strings.IndexByte(name, '['); open >= 0; open = strings.IndexByte(name, '[') { // type arguments
		shut := strings.IndexByte(name, ']')
		if shut < open {
			return ""
		}
		name = name[:open] + name[shut+1:]
	}
	name = strings.TrimSuffix(name, "-fm")
	name = name[strings.LastIndexByte(name, '.')+1:]
	if literal := strings.TrimPrefix(name, "func"); literal == "" || literal[0] >= '0' && literal[0] <= '9' { // the compiler's: func1, or 1 within it
		return ""
	}
	return name
}
