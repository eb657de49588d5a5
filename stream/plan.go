package stream

import (
	"slices"
	"time"
)

// plan is a chain cut into stages. A boundary lies before each degree word but the first of its
// stretch, around To and Transform, behind GroupBy(f), and at a commit with work below it.
// Everything between two boundaries runs in one worker.
type plan struct {
	nodes   []*node // all, as the chain's walk has them
	sources []*sourcePlan
	stages  []*stagePlan
	steps   map[*node]*stepPlan
	forks   map[*node]*forkPlan
	lines   int         // branches so far; the main line is 0
	commit  *commitPlan // nil: none
	name    string
}

// stagePlan is the part of a chain that runs between two boundaries.
type stagePlan struct {
	index   int        // in plan.stages
	next    *stagePlan // nil: its elements are done
	nodes   []*node
	sources []int    // whose elements come here
	first   any      // type of the elements that come in, below the words of ins
	ins     []inPlan // where a source starts, or a Merge ends; empty: elements come as first
	out     any      // type of those that go out
	group   grouping // in effect at its start
	lanes   laning
	slots   int     // 0: one per lane that has work
	degree  *degree // nil: one runner per partition
	paced   *node   // the word that set the degree
	head    *node   // the To at its start
	// the node at its end, unless that is a plain boundary: a commit, a Transform, a GroupBy(f)
	exit      *node
	keepOrder bool
	regrouped bool // a word in it is in another group
	fanned    bool // the stage above can make many elements of one
}

// degree is what a degree word asks for.
type degree struct {
	n             int
	serial        bool // one at a time: overall, or in each partition
	keepOrder     bool
	maxPartitions int // 0: all
}

// stepPlan is a node's name and everything that governs it.
type stepPlan struct {
	name     string
	group    grouping
	policies []*policy
	line     int           // the main line, 0, or a branch
	first    bool          // no step above it has worked on its elements
	single   bool          // no word above it makes several elements of one
	below    bool          // of CommitBefore
	timeout  time.Duration // of each attempt; 0: none
	use      []Middleware  // around each attempt, the outermost first
}

// dress gives Timeout and Use to the steps that are called once per element: those of Build, and
// the step's own.
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

// hasTail reports whether there is work below the commit.
func (p *plan) hasTail() bool { return p.commit != nil && p.commit.above }

// keepsOrder reports whether a step delays results to pass them on in order.
func (p *plan) keepsOrder() bool {
	return slices.ContainsFunc(p.stages, func(sg *stagePlan) bool { return sg.keepOrder })
}

// storesState reports whether a resume state is stored with the committed offset, if the source
// stores one. A transaction needs none: nothing above its offset has been written. At most once
// needs none: it skips what it lost.
func (p *plan) storesState() bool {
	return p.commit.storesOffsets() && p.finishesInOrder()
}

// order is the order in which elements leave the stage.
func (sg *stagePlan) order() grouping {
	switch {
	case sg.head != nil: // To passes on an element of one group while one of another waits
		return sg.group
	case sg.lanes == perPart && sg.degree == nil && sg.group != ungrouped && !sg.regrouped:
		return sg.group // more than that is not promised
	case sg.lanes == perPart:
		return byPartition
	case sg.lanes == perGroup:
		return sg.group
	}
	return ungrouped
}

// transacts reports whether results and offsets are written together.
func (p *plan) transacts() bool { return p.commit != nil && p.commit.transact != nil }

// workBelow reports whether any of nodes does something to elements.
func workBelow(nodes []*node) bool {
	return slices.ContainsFunc(nodes, func(n *node) bool { return n.op.does() != plans })
}

// history is what is above a step: whether a step has worked on its elements, and whether there is
// one of each record.
type history struct{ worked, single bool }

// number assigns each step of a line the line's number and what is above the step. below are the
// words that follow the line, below a Merge. It returns what is above those.
func (p *plan) number(line, below []*node, number int, above history) history {
	way := slices.Concat(line, below)
	if merged := line[0].merged(); merged != nil {
		above = history{single: true}
		for _, end := range merged {
			one := p.number(end.line(), way, number, history{single: true})
			above = history{above.worked || one.worked, above.single && one.single}
		}
	}
	for i, n := range line {
		sp := p.steps[n]
		if sp == nil {
			continue
		}
		sp.line, sp.first, sp.single = number, !above.worked, above.single
		above.worked = above.worked || n.op.does() == works
		above.single = above.single && !multiplies(n.op)
		if n.branch != nil {
			side := n.branch.line()
			p.lines++
			p.number(side, nil, p.lines, history{above.worked || goesOn(n) && hasWork(way[i+1:]), above.single})
			above.worked = above.worked || goesOn(n) && hasWork(side)
		}
	}
	return above
}

// governed tells the policies of each step down to n, which the words below follow.
func (n *node) governed(below []*node, tell func(*node, []*policy)) {
	line := n.line()
	way := slices.Concat(line, below)
	for _, end := range line[0].merged() {
		end.governed(way, tell)
	}
	for i, n := range line {
		if n.isStep() {
			tell(n, governing(way[i+1:]))
		}
		if n.branch != nil {
			n.branch.governed(nil, tell)
		}
	}
}

// collects reports whether a word collects elements until it has a batch of them.
func collects(n *node) bool {
	_, is := n.op.(interface{ collects() })
	return is
}

// multiplies reports whether a word can make several elements of one.
func multiplies(o op) bool {
	_, fans := o.(interface{ fans() })
	_, streams := o.(interface{ streams() })
	return fans || streams
}

// governing returns the policies of a step above the given nodes, down to the first one that takes
// every failure. If a dead-letter write fails, only the policies directly below it follow, not
// those of later steps.
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

// sinks returns the sinks and transactors to open and close, each once.
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
