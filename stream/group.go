package stream

import (
	"context"
	"fmt"
	"hash/maphash"
)

// A grouping says which elements keep their order. It holds until the next grouping or Ungroup.
// Build refuses a grouping that promises an order which is already lost above it.

var funcSeed = maphash.MakeSeed()

// GroupByPartition keeps the order of each partition. Each degree word below works on one element
// of a partition at a time.
func (s Stream[T]) GroupByPartition() Stream[T] {
	return then[T, T](s, &node{word: "GroupByPartition", op: groupOp{group: byPartition}})
}

// GroupByKey keeps the order of each key within its topic partition. Records without a key share
// one lane per partition. The key is that of the source record, whatever the element's value is.
func (s Stream[T]) GroupByKey() Stream[T] {
	return then[T, T](s, &node{word: "GroupByKey", op: groupOp{group: byKey}})
}

// GroupBy keeps the order of elements of one partition that have the same key(value). key must be
// pure. A panic of key fails the element at this step, and the policies below decide. Steps above
// it run in one runner per partition unless they have a degree word of their own.
func (s Stream[T]) GroupBy[K comparable](key func(T) K, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{word: "GroupBy", name: funcName(key), nilFunc: key == nil, opts: stepOpts(opts), op: groupByOp[T, K]{groupOp{group: byFunc}, key}})
}

// Ungroup gives up the order that a grouping kept, and accepts the loss of order by unordered work
// above. Words below may work in any order, or group again.
func (s Stream[T]) Ungroup() Stream[T] {
	return then[T, T](s, &node{word: "Ungroup", op: groupOp{group: ungrouped}})
}

// groupOp is a grouping that needs only the record.
type groupOp struct{ group grouping }

func (groupOp) does() effect                { return plans }
func (o groupOp) place(p *planner, _ *node) { p.regroup(o.group) }
func (groupOp) detail() []string            { return nil }
func (groupOp) inline() bool                { return true }

func (o groupOp) check(c *checker, n *node) {
	if o.group != ungrouped {
		o.orderReaches(c, n)
	}
	c.group, c.lostBy = o.group, nil
}

// orderReaches checks that the order the word promises still exists above it.
func (o groupOp) orderReaches(c *checker, n *node) {
	if c.lostBy != nil {
		c.say(faultNoOrder, n.label(), fmt.Sprintf("%s above it works without order, so there is no order left to keep", c.lostBy.label()),
			"group above it, give it KeepOrder, or accept the loss of order with Ungroup in between")
	}
	if c.group == byFunc || c.group == byKey && o.group != byKey {
		c.say(faultCoarser, n.label(), fmt.Sprintf("above it, order is only kept %v, which is not enough", c.group),
			"put the coarser grouping first, or accept the loss of order with Ungroup in between")
	}
	if c.batched != nil && o.group == byKey {
		c.say(faultBatchKey, n.label(), "a batch made above it has no single key", "group above the Batch, or use GroupBy with a key of the batch")
	}
}

// groupByOp groups by the result of a function. It ends its stage, whose workers call the function.
type groupByOp[T any, K comparable] struct {
	groupOp
	key func(T) K
}

func (groupByOp[T, K]) does() effect { return calls }
func (groupByOp[T, K]) inline() bool { return false }

func (o groupByOp[T, K]) place(p *planner, n *node) {
	p.note(n)
	p.flush()
	p.endStage(n)
	p.group = o.group
	p.startStage(n.out)
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
			lane := to.groupOf(*id, r) // a later grouping may have replaced this one
			to.put(w, r, lane, &newElem(to, r, lane, v).Task)
		}
	})
}
