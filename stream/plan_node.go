package stream

import "time"

// node is one word of a chain. Nodes are shared by all plans that were made from the same
// beginning, and never change.
type node struct {
	up   *node
	word string // as the user wrote it
	name string // taken from the function or the sink; empty: there is none
	op   op
	out  any // the type of the elements below, for what runs

	nilFunc bool // the user passed no function
	opts    stepOptions
	sinks   []any       // what may have Open and Close
	policy  *policy     // nil: the word is none
	commit  *commitPlan // nil: the word commits nothing
}

// op is what a word means. Checks, the cut into stages and Describe ask it, and know no word by
// name. What runs asks it for more: see run_link.go.
type op interface {
	// does says what the word does to elements.
	does() effect
	// check adds what is wrong with the word, alone and where it stands. The checker walks the
	// chain from its source down, and tells the words below what stands above them.
	check(c *checker, n *node)
	// cut puts the word into the stages.
	cut(c *cutter, n *node)
	// detail is what Describe says of the word besides its name and its options.
	detail() []string
}

// effect is what a word does to elements.
type effect uint8

const (
	plans  effect = iota // nothing: it says how the words around it work
	shapes               // it holds elements back, or puts them together
	calls                // it calls something that can fail: a step
)

func (n *node) isStep() bool { return n.op.does() == calls }

// commitPlan is what a commit word asks for.
type commitPlan struct {
	each     bool // each record as it finishes; its element waits
	n        int
	wait     time.Duration
	above    bool // it stands above the work: at most once
	transact any  // a transactor, for CommitWith
}

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

// member is what a batch below it collects of.
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
