package stream

import "slices"

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

// workBelow reports whether a step or a shape stands at or behind nodes[i].
func (p *plan) workBelow(i int) bool {
	return slices.ContainsFunc(p.nodes[min(i, len(p.nodes)):], func(n *node) bool {
		return n.isStep() || n.kind == kindBatch || n.kind == kindThrottle
	})
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
