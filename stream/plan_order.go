package stream

import "slices"

// In which order records finish, where some of their steps keep an order.

// finishesInOrder reports whether records that a step has worked on in some order also finish in
// that order. Otherwise a record could finish before an earlier one of its lane. With a state only
// the earlier one would be reprocessed, and its effect would replace that of the later one.
func (p *plan) finishesInOrder() bool {
	for source := range p.sources {
		if !p.inOrder(source, p.start(source), ungrouped) {
			return false
		}
	}
	return true
}

// inOrder is finishesInOrder for a source, from a stage on. worked is the order of the first step
// above that has worked in one.
func (p *plan) inOrder(source int, sg *stagePlan, worked grouping) bool {
	for ; sg != nil; sg = sg.next {
		if order := sg.order(); worked != ungrouped && order != worked && !sg.keepOrder {
			return false
		}
		var ok bool
		if worked, ok = p.wordsInOrder(source, sg, sg.of(source), worked); !ok {
			return false
		}
		if worked == byFunc && sg.endsInGroups() { // others
			return false
		}
		if worked != ungrouped && sg.exit != nil && drops(sg.exit.op) { // a Transform
			return false
		}
	}
	return true
}

// wordsInOrder is inOrder for words of a stage. It returns the order below them.
func (p *plan) wordsInOrder(source int, sg *stagePlan, nodes []*node, worked grouping) (grouping, bool) {
	for i, n := range nodes {
		f := p.forks[n]
		switch {
		// an element that ends here may end before an earlier one that continues
		case drops(n.op) && worked != ungrouped && !p.ends(sg, nodes[i+1:]):
			return worked, false
		case f == nil:
			if worked == ungrouped && n.op.does() == works {
				worked = sg.order()
			}
		// records of both ways finish in no order
		case !goesOn(n) && worked != ungrouped && (f.stages != nil || !p.ends(sg, nodes[i+1:])):
			return worked, false
		case f.stages != nil:
			if !p.inOrder(source, f.stages[0], worked) {
				return worked, false
			}
			if goesOn(n) && !p.sideOf(source, f.stages[0]).agrees(p.mainOf(source, sg, nodes[i+1:])) {
				return worked, false
			}
		case goesOn(n): // the branch comes first
			return p.wordsInOrder(source, sg, slices.Concat(f.inline, nodes[i+1:]), worked)
		default:
			if _, ok := p.wordsInOrder(source, sg, f.inline, worked); !ok {
				return worked, false
			}
		}
	}
	return worked, true
}

// drops reports whether elements may end at a word: those that a Filter leaves out, or that a
// FlatMap or a Transform makes nothing of.
func drops(o op) bool {
	_, filters := o.(interface{ filters() })
	return filters || multiplies(o)
}

// ends reports whether elements are done with the given words of a stage, in its worker.
func (p *plan) ends(sg *stagePlan, nodes []*node) bool {
	return sg.next == nil && !slices.ContainsFunc(p.words(nodes), func(n *node) bool { return p.branchOf(n) != nil })
}

// goesOn reports whether the elements of a fork go down the main line, too.
func goesOn(n *node) bool { _, also := n.op.(interface{ also() }); return also }

// side is what becomes of a source's elements at one side of an AlsoTo.
type side struct {
	source int
	stages []*stagePlan
	worked []grouping // the orders in which steps work
	parks  []parking
}

// parking is a step that parks what fails.
type parking struct {
	step  string
	scope Scope
}

// sideOf returns what becomes of elements from a stage on.
func (p *plan) sideOf(source int, sg *stagePlan) *side {
	s := &side{source: source}
	s.below(p, sg)
	return s
}

// mainOf returns what becomes of elements from words of a stage on.
func (p *plan) mainOf(source int, sg *stagePlan, nodes []*node) *side {
	s := &side{source: source, stages: []*stagePlan{sg}}
	s.through(p, sg, nodes)
	s.below(p, sg.next)
	return s
}

func (s *side) below(p *plan, sg *stagePlan) {
	for ; sg != nil; sg = sg.next {
		s.stages = append(s.stages, sg)
		s.through(p, sg, sg.of(s.source))
		if sg.exit != nil {
			s.through(p, sg, []*node{sg.exit})
		}
	}
}

func (s *side) through(p *plan, sg *stagePlan, nodes []*node) {
	for _, n := range p.words(nodes) {
		if n.op.does() == works {
			s.worked = append(s.worked, sg.order())
		}
		if sp := p.steps[n]; sp != nil && slices.ContainsFunc(sp.policies, (*policy).parks) {
			s.parks = append(s.parks, parking{sp.name, sg.parkScope(n, sp.group)})
		}
		s.below(p, p.branchOf(n))
	}
}

// agrees reports whether each side keeps the orders of the other.
func (s *side) agrees(o *side) bool { return s.keeps(o.worked) && o.keeps(s.worked) }

func (s *side) keeps(orders []grouping) bool {
	return !slices.ContainsFunc(s.stages, func(sg *stagePlan) bool {
		return slices.ContainsFunc(orders, func(g grouping) bool { return !sg.keeps(g) })
	})
}

// keeps reports whether elements that share a lane of a grouping leave the stage in their order.
func (sg *stagePlan) keeps(g grouping) bool {
	switch {
	case g == ungrouped || sg.keepOrder:
		return true
	case sg.exit != nil && multiplies(sg.exit.op): // a Transform
		return false
	case sg.head != nil && sg.group == ungrouped: // in one lane, which a retry holds
		return true
	}
	return sg.order() == g || sg.head == nil && sg.lanes == perPart
}

// above reports whether a stage that elements of sg have passed is one.
func (p *plan) above(sg *stagePlan, is func(*stagePlan) bool) bool {
	return slices.ContainsFunc(p.stages, func(up *stagePlan) bool {
		return (up.next == sg || p.forksTo(up, sg)) && (is(up) || p.above(up, is))
	})
}

// forksTo reports whether a fork in a stage leads to another.
func (p *plan) forksTo(from, to *stagePlan) bool {
	return slices.ContainsFunc(p.words(from.all()), func(n *node) bool { return p.branchOf(n) == to })
}

// parkScope returns what a ParkOnError below a step of the stage stops.
func (sg *stagePlan) parkScope(n *node, group grouping) Scope {
	switch {
	case group == byPartition || group == byFunc:
		return ScopePartition
	case group == byKey:
		return ScopeLane
	case sg.lanes == perPart && sg.head != n: // one after another
		return ScopePartition
	}
	return ScopeRecord
}

// covers reports whether what is held back behind a parked record includes its lane of a grouping.
func (s Scope) covers(g grouping) bool {
	return g == ungrouped || s == ScopePartition || s == ScopeLane && g == byKey
}
