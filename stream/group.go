package stream

import (
	"context"
	"fmt"
	"hash/maphash"
)

// A grouping says which elements keep their order; it stays until the next grouping or Ungroup.
// Build refuses one that promises an order which does not reach it.

var funcSeed = maphash.MakeSeed()

// GroupByPartition keeps the order of each partition: one element of it at a time in each degree
// word below.
func (s Stream[T]) GroupByPartition() Stream[T] {
	return then[T, T](s, &node{word: "GroupByPartition", op: groupOp{group: byPartition}})
}

// GroupByKey keeps the order of each (source, topic, partition, key). A record without a key joins
// its partition's one keyless lane. It needs no value, only the record's lineage.
func (s Stream[T]) GroupByKey() Stream[T] {
	return then[T, T](s, &node{word: "GroupByKey", op: groupOp{group: byKey}})
}

// GroupBy keeps the order of the elements of a partition that have the same key(value). The steps
// above it run in one runner per partition unless they have a degree word of their own. key must be
// pure; a panic of it fails the element at this step.
func (s Stream[T]) GroupBy[K comparable](key func(T) K, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{word: "GroupBy", name: funcName(key), nilFunc: key == nil, opts: stepOpts(opts), op: groupByOp[T, K]{groupOp{group: byFunc}, key}})
}

// Ungroup gives up the order that a grouping, or unordered work, left: what is below may work in
// any order, or be grouped anew.
func (s Stream[T]) Ungroup() Stream[T] {
	return then[T, T](s, &node{word: "Ungroup", op: groupOp{group: ungrouped}})
}

// groupOp is a grouping that needs nothing but the record.
type groupOp struct{ group grouping }

func (groupOp) does() effect             { return plans }
func (o groupOp) cut(c *cutter, _ *node) { c.regroup(o.group) }
func (groupOp) detail() []string         { return nil }

func (o groupOp) check(c *checker, n *node) {
	if o.group != ungrouped {
		o.orderReaches(c, n)
	}
	c.group, c.lostBy = o.group, nil
}

// orderReaches checks that the order that the word promises is still there.
func (o groupOp) orderReaches(c *checker, n *node) {
	if c.lostBy != nil {
		c.say(n.label(), fmt.Sprintf("%s above works without order, so there is none left to keep", c.lostBy.label()),
			"group above it, give it KeepOrder, or say Ungroup in between to accept that")
	}
	if c.group == byFunc || c.group == byKey && o.group != byKey {
		c.say(n.label(), fmt.Sprintf("above it order is kept %v only, which is not enough", c.group),
			"put the coarser grouping first, or say Ungroup in between to accept that")
	}
	if c.batched != nil && o.group == byKey {
		c.say(n.label(), "a batch from above has no one key", "group above the Batch, or use GroupBy with a key of the batch")
	}
}

// groupByOp is a grouping by what a function says of a value: it ends its stage, whose workers call
// it.
type groupByOp[T any, K comparable] struct {
	groupOp
	key func(T) K
}

func (groupByOp[T, K]) does() effect { return calls }

func (o groupByOp[T, K]) cut(c *cutter, n *node) {
	c.note(n)
	c.take()
	c.close(n)
	c.group = o.group
	c.open(n.out)
}

func (o groupByOp[T, K]) send(_ *worker, st *step, to *stage) any {
	id := new(uint64)
	f := func(_ context.Context, v *T, id *uint64) error {
		*id = maphash.Comparable(funcSeed, o.key(*v))
		return nil
	}
	h := &handling[T, uint64]{st: st, f: f, u: id}
	return push[T](func(w *worker, r *record, v *T) {
		if r = h.perform(w, r, v); r != nil {
			lane := to.groupOf(*id, r) // another grouping may have come before any work
			to.put(w, r, lane, &newElem(to, r, lane, v).Task)
		}
	})
}
