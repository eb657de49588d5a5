package stream_test

import (
	"fmt"
	"slices"
)

// model is what a chain promises, derived from its words alone: which elements each word sees, and
// in which order it may work on them.
type model struct {
	words  []word
	rules  []rule // by word
	commit int    // place of the commit
	stages int
	gated  bool // there is work below it

	showsBegin    bool // the first thing that happens to a record is a call that is watched
	endsInHandler bool // and so is the last, for every record
}

// rule is what holds at one word.
type rule struct {
	stage int
	lane  laneOf // elements of one lane are worked on one after another
	// elements that share all of these lanes are started in the order of the log; nil: no order is
	// left
	order  []laneOf
	slots  int    // calls at a time in the stage; 0: no bound
	parts  int    // partitions at a time in the stage; 0: no bound
	group  laneOf // the grouping in effect
	below  bool   // of the commit
	last   bool   // nothing but the commit is behind it, in its own worker
	split  bool   // elements may fail alone: order below does not depend on them
	retry  int    // attempts that a failure has for sure; 0: none
	ending bool   // some policy ends every failure, and none ends the pipeline
	apart  bool   // a fork whose branch has lanes of its own
	needs  laneOf // the order in which that has to get its elements; noLane: in any
	// works in the group of a GroupBy(f) above the fork
	carries bool
	depth   int // of the paths in it
}

// laneOf names what shares a lane. Above 0 it is a GroupBy, of the elements as they were after so
// many FlatMaps and Transforms, less one.
type laneOf int

const (
	noLane   laneOf = 0
	partLane laneOf = -1
	keyLane  laneOf = -2
)

func (l laneOf) of(it item) string {
	switch l {
	case noLane:
		return ""
	case partLane:
		return fmt.Sprint(it.P)
	case keyLane:
		return fmt.Sprint(it.P, "/", it.Key)
	}
	it.Path = it.Path[:l-1]
	return fmt.Sprint(it.P, "#", lot(it))
}

func orderOf(ls []laneOf, it item) string {
	s := fmt.Sprint(it.P)
	for _, l := range ls {
		s += "|" + l.of(it)
	}
	return s
}

// modelOf follows DESIGN.md: value words run in the worker of the next degree word below, with none
// below in that above, else in one runner per partition; To, Transform, GroupBy(f) and a commit
// above work are boundaries. See prop_branch_test.go for branches.
func modelOf(words []word) *model {
	m := &model{words: words, rules: make([]rule, len(words))}
	c := &modelCut{m: m, order: []laneOf{}}
	c.line(0, len(words))
	c.close()
	m.govern(m.line(0, len(words)))
	m.edges()
	m.splits()
	return m
}

// line puts the words of a line into stages.
func (c *modelCut) line(from, to int) {
	m, words := c.m, c.m.words
	for _, i := range m.line(from, to) {
		w := words[i]
		m.rules[i].below, m.rules[i].group = c.below, c.group
		switch {
		case w.forks():
			c.fork(w)
		case w.isDegree():
			if c.degree != nil || c.to {
				c.closeAbovePending()
			}
			at := slices.IndexFunc(c.pending, func(i int) bool {
				if m.rules[i].apart {
					return !gives(w, c.group, m.rules[i].needs) || m.rules[i].carries && c.group != m.rules[i].group
				}
				g := m.rules[i].group // a Batch collects in the order of its own group
				return words[i].kind == batchWord && (w.keep || g != noLane && g != c.group)
			})
			if at >= 0 {
				c.stageGroup = m.rules[c.pending[at]].group
				c.close()
			}
			c.degree, c.degreeLane = &words[i], c.group
			c.pending = append(c.pending, i)
			c.take()
		case w.kind == byPartitionWord:
			c.regroup(partLane)
		case w.kind == byKeyWord:
			c.regroup(keyLane)
		case w.kind == ungroupWord:
			c.regroup(noLane)
		case w.kind == byFuncWord:
			c.add(i)
			c.close()
			c.regroup(laneOf(c.depth + 1))
		case w.kind == toWord:
			c.take()
			if c.degree != nil || c.to || len(c.nodes) > 0 {
				c.close()
			}
			c.to = true
			c.nodes = append(c.nodes, i)
		case w.kind == transformWord:
			c.add(i)
			c.close()
			c.depth++
		case w.isCommit():
			m.commit = i
			if slices.ContainsFunc(words[i+1:], func(w word) bool { return w.kind <= throttleWord }) {
				c.close()
				c.below, m.gated = true, true
			}
		case w.kind <= throttleWord:
			if d := c.degree; w.kind == batchWord && d != nil && (d.keep || c.group != noLane && c.group != c.degreeLane) {
				c.closeAbovePending()
			}
			c.add(i)
			if w.kind == flatMapWord {
				c.depth++
			}
		}
	}
}

type modelCut struct {
	m          *model
	nodes      []int
	pending    []int
	degree     *word
	degreeLane laneOf
	stageGroup laneOf // at the beginning of the stage
	regrouped  bool   // a word of the stage is in another group
	to         bool
	group      laneOf
	order      []laneOf // nil: none is left
	below      bool
	depth      int     // of paths
	first      *laneOf // what the first stage needs
}

// add adds a word that runs in the worker of the next degree word.
func (c *modelCut) add(i int) {
	c.pending = append(c.pending, i)
	c.regrouped = c.regrouped || c.group != c.stageGroup
}

func (c *modelCut) take() {
	c.nodes = append(c.nodes, c.pending...)
	c.pending = nil
}

func (c *modelCut) closeAbovePending() {
	waiting := c.pending
	c.pending = nil
	c.close()
	c.pending = waiting
}

// regroup is a grouping. Words above it in the stage stay in the group of their GroupBy(f), and
// need its order alone: so does a branch that ungroups below its first step. The model once had
// such a branch need the partition's order, and so no two groups at a time in the words above the
// fork, which nobody promises.
func (c *modelCut) regroup(g laneOf) {
	c.group = g
	if c.degree == nil && !c.to && len(c.nodes) == 0 && (c.stageGroup <= noLane || len(c.pending) == 0) {
		c.stageGroup = g
	}
}

// close ends the stage and tells each of its words what it may rely on.
func (c *modelCut) close() {
	c.take()
	c.noteNeeds()
	lane, slots, parts, kept := partLane, 0, 0, false
	if d := c.degree; d != nil && !c.to {
		parts = d.parts
		switch {
		case c.degreeLane != noLane:
			lane = c.degreeLane
			if d.kind == concurrentWord {
				slots = d.n
			}
		case d.kind == serialWord:
			slots = 1
		default:
			lane, slots, kept = noLane, d.n, d.keep
		}
	}
	if lane == noLane && !kept {
		c.order = nil
	} else if lane != noLane {
		c.narrow(lane)
	}
	// its records are done together
	batched := slices.ContainsFunc(c.m.words, func(w word) bool { return w.kind == batchWord })
	forks := slices.ContainsFunc(c.m.words, word.forks)
	inOrder := lane != noLane
	var branches []func()
	for i, n := range c.nodes {
		r := &c.m.rules[n]
		r.stage, r.slots, r.parts = c.m.stages, slots, parts
		r.last = c.m.words[n].kind != flatMapWord && !batched && !forks && n == len(c.m.words)-2 && i == len(c.nodes)-1 && c.m.words[n+1].kind == commitEachWord
		if c.m.words[n].kind == batchWord {
			c.narrow(r.group) // one group's may overtake another's
			if lane != partLane && lane != r.group {
				// collected across the lanes of the stage
				lane, inOrder, c.order = noLane, false, nil
			}
		}
		switch {
		case inOrder && lane != noLane:
			r.lane, r.order = lane, c.order
		case inOrder: // below a KeepOrder
			r.lane, r.order = partLane, c.order
		}
		if c.m.words[n].kind == toWord { // so may what a sink refuses
			c.narrow(r.group)
		}
		if kept && &c.m.words[n] == c.degree {
			inOrder = true
		}
		if r.apart {
			order := slices.Clone(c.order)
			if !inOrder {
				order = nil
			}
			branches = append(branches, func() { c.m.branch(c.m.words[n], order) })
		}
	}
	c.m.stages++
	for _, cut := range branches {
		cut()
	}
	c.nodes, c.degree, c.to, c.stageGroup, c.regrouped = nil, nil, false, c.group, false
}

// narrow: from here on, order is kept among elements that share this lane too.
func (c *modelCut) narrow(lane laneOf) {
	if c.order != nil {
		c.order = append(slices.Clone(c.order), lane)
	}
}

// govern finds how often a failure is tried again for sure, and whether one can end the pipeline.
func (m *model) govern(line []int) {
	for k, i := range line {
		if w := m.words[i]; w.forks() {
			m.govern(m.line(i+1, w.end()))
		}
		r, fails := &m.rules[i], false
		for _, b := range line[k+1:] {
			w := m.words[b]
			if !w.isPolicy() {
				continue
			}
			if w.kind == retryWord && !w.when {
				r.retry = max(r.retry, w.n)
			}
			fails = fails || w.kind == failWord || w.kind == deadWord // its write may fail
			if w.kind != retryWord && !w.when {
				r.ending = !fails
				break
			}
		}
	}
}

// splits finds where a batch may fail in part, so that the rest of it goes ahead.
func (m *model) splits() {
	ordered := false
	for i, r := range slices.Backward(m.rules) {
		m.rules[i].split = !ordered || m.words[i].kind == toWord && !m.words[i].bisect
		ordered = ordered || m.words[i].calls() && r.order != nil
	}
}

// first returns the first word that something runs for.
func (m *model) first() kind {
	i := slices.IndexFunc(m.words, func(w word) bool { return !w.runsNothing() })
	return m.words[i].kind
}

func (w word) runsNothing() bool {
	return w.kind == byPartitionWord || w.kind == byKeyWord || w.kind == ungroupWord || w.isPolicy()
}

// edges looks at the ends of the chain.
func (m *model) edges() {
	for i, w := range m.words {
		switch {
		case w.runsNothing():
			continue
		case w.isCommit():
		default:
			m.showsBegin = w.calls() && m.rules[i].stage == 0
		}
		break
	}
	elsewhere := false
	for _, w := range m.words[:m.commit] {
		if w.kind <= throttleWord || w.kind == byFuncWord {
			m.endsInHandler = w.isDegree() && !w.keep
			elsewhere = elsewhere || w.forks() || w.kind == filterWord || w.kind == transformWord || w.kind == batchWord
		}
	}
	m.endsInHandler = m.endsInHandler && !elsewhere && m.commit == len(m.words)-1
}

// finished reports whether everything that becomes of it from words[from] up to words[to] is
// through, as done and gaveUp have it.
func (m *model) finished(it item, from, to int, e *tally) bool {
	for i := from; i < to; i++ {
		if e.gone[deed{i, it}] {
			return true
		}
		w := m.words[i]
		if w.forks() {
			switch {
			case w.kind == divertWord && diverts(i, it):
				return m.finished(it, i+1, w.end(), e)
			case w.kind == alsoWord && !m.finished(also(i, it), i+1, w.end(), e):
				return false
			}
			i += w.branch
			continue
		}
		if w.calls() && !e.done[deed{i, it}] {
			return false
		}
		n := -1
		switch {
		case w.kind == filterWord && !keeps(i, it):
			return true
		case w.kind == flatMapWord:
			n = kids(i, it)
		case w.kind == transformWord:
			n = forks(i, it)
		}
		if n >= 0 {
			for k := range n {
				if !m.finished(it.child(k), i+1, to, e) {
					return false
				}
			}
			return true
		}
	}
	return true
}

// tally is what was done in one assignment of a partition, or ever.
type tally struct {
	done map[deed]bool // a handler has finished it
	gone map[deed]bool // a policy has given it up
}

type deed struct {
	at int
	it item
}

func newTally() *tally { return &tally{map[deed]bool{}, map[deed]bool{}} }
