package stream

import (
	"slices"
	"time"
)

// node is one word of a chain. Nodes never change: plans that start with the same words share them.
type node struct {
	up   *node
	word string // as the user wrote it
	name string // of the function or the sink; empty: none
	op   op
	out  any // typeOf the elements below, for the run

	nilFunc bool // the user passed a nil function
	opts    stepOptions
	sinks   []any       // may have Open and Close
	policy  *policy     // nil: the word is no policy
	commit  *commitPlan // nil: the word commits nothing
	branch  *node       // the last word of a fork's branch
}

// op is what a word means. Checks, the cut into stages and Describe ask it and know no word by
// name. The run asks it for more: see run_link.go.
type op interface {
	// does says what the word does to elements.
	does() effect
	// check reports what is wrong with the word, alone and in its place. The checker walks the
	// chain from its source down, and carries what words above mean for those below.
	check(c *checker, n *node)
	// place puts the word into the stages.
	place(p *planner, n *node)
	// detail is what Describe prints of the word besides its name and its options.
	detail() []string
}

// effect is what a word does to elements.
type effect uint8

const (
	plans  effect = iota // nothing: it sets how the words around it work
	shapes               // delays elements, collects them, or sends them two ways
	calls                // calls something that can fail: a step
	works                // and has an effect that must not come out of order
)

// line returns the words from the first one down to n: of the main line, or of a branch.
func (n *node) line() []*node {
	var ns []*node
	for ; n != nil; n = n.up {
		if ns = append(ns, n); n.isHead() {
			break
		}
	}
	slices.Reverse(ns)
	return ns
}

// walk yields every word of a line that ends with n: those of a branch behind its fork, and those
// of the chains above a Merge before it.
func (n *node) walk(yield func(*node) bool) { n.visit(yield) }

func (n *node) visit(yield func(*node) bool) bool {
	line := n.line()
	for _, end := range line[0].merged() {
		if !end.visit(yield) {
			return false
		}
	}
	for _, n := range line {
		if !yield(n) || n.branch != nil && !n.branch.visit(yield) {
			return false
		}
	}
	return true
}

// follows reports whether the chain that ends with n has the word above, through a Merge too.
func (n *node) follows(above *node) bool {
	for at := range n.walk {
		if at == above {
			return true
		}
	}
	return false
}

// merged returns the ends of the chains that the word merges, or nil.
func (n *node) merged() []*node {
	if m, is := n.op.(interface{ ends() []*node }); is {
		return m.ends()
	}
	return nil
}

// isHead reports whether n is the beginning of a branch.
func (n *node) isHead() bool { _, is := n.op.(interface{ head() }); return is }

func (n *node) isStep() bool { return n.op.does() >= calls }

// commitPlan is what a commit word asks for.
type commitPlan struct {
	each     bool // each record as it finishes; its element waits for that
	n        int
	wait     time.Duration
	above    bool // it is above the work: at most once
	transact any  // a transactor, for CommitWith
}

// storesOffsets reports whether the plan stores the offsets of finished records: not in a
// transaction, and not above the work.
func (c *commitPlan) storesOffsets() bool { return c != nil && !c.above && c.transact == nil }

// grouping says which elements keep their order.
type grouping uint8

const (
	ungrouped grouping = iota
	byPartition
	byKey
	byFunc
)

func (g grouping) String() string {
	return [...]string{"none", "per partition", "per key", "per group"}[g]
}

// member is the unit that a batch below the grouping collects.
func (g grouping) member() string {
	return [...]string{"partition", "partition", "key", "group"}[g]
}

// laning is how a stage orders its tasks.
type laning uint8

const (
	loose    laning = iota // not at all
	perPart                // one lane per partition
	perGroup               // one lane per group
)
