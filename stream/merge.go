package stream

import (
	"fmt"
	"strings"
)

// Merge joins chains of several sources into one: n→1. Sources of one cluster or of many, of Kafka
// and of this process, feed the words below. Elements of one source keep their order; between
// sources there is none. Words above the Merge work on one source, words below it on all:
// MapConcurrent(64) below runs 64 at a time over all sources. Policies below a Merge also govern
// the steps above it.
//
// A partition belongs to its source: lanes, halts, limits, offsets and metrics name
// TopicPartition.Source. Each source commits for itself; CommitEvery counts for each. A source that
// is exhausted leaves the others running; one that fails ends the pipeline. While a source cannot
// be reached, the others are read, and the pipeline is not ready.
//
// As names a source. By default it has the name of its consumer group, or of its kind. Build
// refuses two sources of one name, and a commit above the Merge. It also refuses two chains that
// begin at one source: use AlsoTo or DivertTo for that. Merge costs nothing per element unless a
// chain above has a degree of its own.
func Merge[T any](chains ...Stream[T]) Stream[T] {
	op := mergeOp{given: len(chains)}
	for _, s := range chains {
		if s.n != nil {
			op.chains = append(op.chains, s.n)
		}
	}
	return Stream[T]{&node{word: "Merge", out: typeOf[T]{}, op: op}}
}

// As names the source of the chain, for TopicPartition.Source: in logs, metrics, halts, and in the
// offsets that a Transactor stores. The name must not change between runs. Default: none in a chain
// with one source; for the default in a Merge, see Merge.
func (s Stream[T]) As(name string) Stream[T] {
	return then[T, T](s, &node{word: "As", op: asOp{name}})
}

type asOp struct{ name string }

func (o asOp) sourceName() string  { return o.name }
func (asOp) does() effect          { return plans }
func (asOp) place(*planner, *node) {}
func (asOp) detail() []string      { return nil }

func (o asOp) check(c *checker, n *node) {
	first := n.line()[0]
	switch {
	case o.name == "" || strings.ContainsFunc(o.name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }):
		c.say(faultName, n.word, fmt.Sprintf("the name %q is empty, or has a space or a slash", o.name), "use letters, digits, dots and dashes")
	case first.merged() != nil:
		c.say(faultName, n.word, "above it are several sources", "name each of them above the Merge")
	case c.fork != nil:
		c.say(faultName, n.word, "it is in the branch of "+c.fork.label(), "name the source on the main line")
	}
	for up := n.up; up != nil; up = up.up {
		if _, named := up.op.(asOp); named {
			c.say(faultName, n.word, "the source has a name already", "name it once")
		}
	}
}

// mergeOp begins a chain with the ends of others.
type mergeOp struct {
	chains []*node
	given  int // zero values, too
}

func (o mergeOp) ends() []*node       { return o.chains }
func (mergeOp) does() effect          { return plans }
func (mergeOp) place(*planner, *node) {}
func (mergeOp) detail() []string      { return nil }

func (o mergeOp) check(c *checker, n *node) {
	switch {
	case o.given > len(o.chains):
		c.say(faultMerge, n.word, "a chain is a zero value", "start each with a source")
	case o.given < 2:
		c.say(faultMerge, n.word, fmt.Sprintf("it is given %s", counted(o.given, "chain")), "pass two or more")
	}
}

// merges reports whether elements of several sources reach n.
func merges(n *node) bool {
	return n.line()[0].merged() != nil
}
