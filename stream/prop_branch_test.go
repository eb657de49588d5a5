package stream_test

import "slices"

// Branches in the model: they follow their fork in the list of words.

// line returns the places of the words of a line, without those of its branches.
func (m *model) line(from, to int) (at []int) {
	for i := from; i < to; i++ {
		at = append(at, i)
		i += m.words[i].branch
	}
	return at
}

// fork puts a fork into the stage, and with it a branch of words that do not wait.
func (c *modelCut) fork(w word) {
	r := &c.m.rules[w.at]
	r.depth = c.depth
	if w.kind == alsoWord {
		r.depth++
	}
	c.add(w.at)
	if !slices.ContainsFunc(c.m.line(w.at+1, w.end()), func(i int) bool { return c.m.words[i].waits() }) {
		in := &modelCut{m: c.m, group: c.group, below: c.below, depth: r.depth}
		in.line(w.at+1, w.end())
		c.pending = append(c.pending, in.pending...)
		return
	}
	r.apart = true
	dry := &modelCut{m: &model{words: c.m.words, rules: slices.Clone(c.m.rules)}, group: c.group, stageGroup: c.group, depth: r.depth}
	dry.line(w.at+1, w.end())
	dry.close()
	r.needs, r.carries = *dry.first, c.group > noLane && c.m.works(w.at+1, w.end())
	if c.degree != nil || c.to {
		c.take()
	}
}

// works reports whether a word of a line works in the group that holds above it, of a GroupBy(f).
func (m *model) works(from, to int) bool {
	for _, i := range m.line(from, to) {
		switch w := m.words[i]; {
		case w.kind >= byPartitionWord && w.kind <= ungroupWord:
			return false
		case w.isDegree(), w.kind == batchWord, w.forks() && m.works(w.at+1, w.end()):
			return true
		}
	}
	return false
}

// waits reports whether a word gives its branch lanes of its own.
func (w word) waits() bool {
	switch w.kind {
	case filterWord, byPartitionWord, byKeyWord, ungroupWord, skipWord, haltWord, parkWord, failWord:
		return false
	case mapWord, flatMapWord, alsoWord, divertWord:
		return w.wrapped
	}
	return true
}

// branch puts a branch into stages of its own. order is what is left at its fork.
func (m *model) branch(fork word, order []laneOf) {
	r := m.rules[fork.at]
	c := &modelCut{m: m, group: r.group, stageGroup: r.group, order: order, below: r.below, depth: r.depth}
	c.line(fork.at+1, fork.end())
	c.close()
}

// noteNeeds notes the order in which the first stage has to get its elements.
func (c *modelCut) noteNeeds() {
	if c.first != nil {
		return
	}
	need := c.stageGroup
	if d := c.degree; d != nil && !c.to {
		if need = c.degreeLane; need == noLane && (d.kind == serialWord || d.keep) {
			need = partLane
		}
	} else if need == noLane || !c.to && (c.regrouped || c.forksNeedMore()) {
		need = partLane // all that words of several groups have in common
	}
	c.first = &need
}

// forksNeedMore reports whether a branch of the stage needs another order than its group's.
func (c *modelCut) forksNeedMore() bool {
	return slices.ContainsFunc(c.nodes, func(i int) bool {
		r := c.m.rules[i]
		return r.apart && r.needs != noLane && r.needs != c.stageGroup
	})
}

// gives reports whether the workers of a degree word pass on elements in an order that a branch
// needs.
func gives(d word, group, need laneOf) bool {
	switch {
	case need == noLane, group == partLane:
		return true
	case group == noLane:
		return d.kind == serialWord
	}
	return need == group
}
