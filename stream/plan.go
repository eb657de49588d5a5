package stream

import (
	"slices"
	"time"
)

// plan is a chain cut into stages. A boundary lies before each degree word but the first of its
// stretch, around To and Transform, behind GroupBy(f), and at a commit with work below it;
// everything between two boundaries runs in one worker.
type plan struct {
	nodes  []*node
	stages []*stagePlan
	steps  map[*node]*stepPlan
	commit *commitPlan // nil: none
	name   string
}

// stagePlan is what runs between two boundaries.
type stagePlan struct {
	nodes  []*node
	first  any      // of the elements that come in
	out    any      // and of those that go out
	group  grouping // in effect where it begins
	lanes  laning
	slots  int     // 0: one per lane that has work
	degree *degree // nil: one runner per partition
	paced  *node   // whose degree that is
	head   *node   // the To that it begins with
	// what ends it, where that is not a plain boundary: a commit, a Transform, a GroupBy(f)
	exit      *node
	keepOrder bool
	fanned    bool // the stage above can make many elements of one
}

// degree is what a degree word asks for.
type degree struct {
	n             int
	serial        bool // one at a time: overall, or in each partition
	keepOrder     bool
	maxPartitions int // 0: all
}

// stepPlan is what a node is called and what governs it.
type stepPlan struct {
	name     string
	group    grouping
	stage    int
	policies []*policy
	below    bool          // of CommitBefore
	timeout  time.Duration // of each attempt; 0: none
	use      []Middleware  // around each attempt, the outermost first
}

// dress puts what every step was given around those that are called for each element.
func (p *plan) dress(every stepOptions) {
	for n, sp := range p.steps {
		if !retriable(n.op) {
			continue
		}
		sp.use = slices.Concat(every.use, n.opts.use)
		if sp.timeout = n.opts.timeout; !n.opts.hasTimeout {
			sp.timeout = every.timeout
		}
	}
}

func (n *node) chain() []*node {
	var ns []*node
	for ; n != nil; n = n.up {
		ns = append(ns, n)
	}
	slices.Reverse(ns)
	return ns
}

// hasTail reports whether work stands below the commit.
func (p *plan) hasTail() bool { return p.commit != nil && p.commit.above }

// keepsOrder reports whether a step holds results back to pass them on in order.
func (p *plan) keepsOrder() bool {
	return slices.ContainsFunc(p.stages, func(sg *stagePlan) bool { return sg.keepOrder })
}

// storesState reports whether a resume state goes with the committed offset, where the source
// stores one. In a transaction nothing has an effect that lies above it; at most once skips what it
// lost.
func (p *plan) storesState() bool { return p.commit != nil && !p.commit.above && !p.transacts() }

// transacts reports whether results and offsets are written together.
func (p *plan) transacts() bool { return p.commit != nil && p.commit.transact != nil }

// workBelow reports whether a word that does something to elements stands among nodes.
func workBelow(nodes []*node) bool {
	return slices.ContainsFunc(nodes, func(n *node) bool { return n.op.does() != plans })
}

// govern gives each step the policies below it, down to the first that ends the matter.
func (p *plan) govern() {
	for i, n := range p.nodes {
		if n.isStep() {
			p.steps[n].policies = governing(p.nodes[i+1:])
		}
	}
}

// governing is the policies of a step that stands above the given nodes: down to the first that no
// failure gets past. What a dead-letter write leaves over when it fails is for the policies
// directly below it, not for those of later steps.
func governing(below []*node) (ps []*policy) {
	fallback := false
	for _, n := range below {
		switch {
		case n.policy != nil:
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

// sinks is what may have Open and Close, each once.
func (p *plan) sinks() []any { return sinksOf(p.nodes) }

func sinksOf(nodes []*node) (ss []any) {
	for _, n := range nodes {
		for _, s := range n.sinks {
			if !slices.ContainsFunc(ss, func(o any) bool { return sameSink(o, s) }) {
				ss = append(ss, s)
			}
		}
	}
	return ss
}
