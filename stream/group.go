package stream

import (
	"context"
	"hash/maphash"
)

// A grouping says which elements keep their order; it stays until the next grouping or Ungroup. Build refuses one that promises an order which
// does not reach it.

var (
	keySeed  = maphash.MakeSeed()
	funcSeed = maphash.MakeSeed()
)

// GroupByPartition keeps the order of each partition: one element of it at a time in each degree word below.
func (s Stream[T]) GroupByPartition() Stream[T] {
	return then[T, T](s, &node{kind: kindGroup, word: "GroupByPartition", group: byPartition})
}

// GroupByKey keeps the order of each (source, topic, partition, key). A record without a key joins its partition's one keyless lane. It needs no
// value, only the record's lineage.
func (s Stream[T]) GroupByKey() Stream[T] {
	return then[T, T](s, &node{kind: kindGroup, word: "GroupByKey", group: byKey})
}

// GroupBy keeps the order of the elements of a partition that have the same key(value). The steps above it run in one runner per partition unless
// they have a degree word of their own. key must be pure; a panic of it fails the element at this step.
func (s Stream[T]) GroupBy[K comparable](key func(T) K) Stream[T] {
	return then[T, T](s, &node{kind: kindGroup, word: "GroupBy", name: funcName(key), nilFunc: key == nil, group: byFunc,
		send: func(_ *worker, st *step, to *stage) any {
			id := new(uint64)
			f := func(_ context.Context, v *T, id *uint64) error {
				*id = maphash.Comparable(funcSeed, key(*v))
				return nil
			}
			return push[T](func(w *worker, r *record, v *T) {
				if r = perform(w, st, r, v, id, f, nil); r != nil {
					lane := to.groupOf(*id, r) // another grouping may have come before any work
					to.put(w, r, lane, &newElem(to, r, lane, v).Task)
				}
			})
		}})
}

// Ungroup gives up the order that a grouping, or unordered work, left: what is below may work in any order, or be grouped anew.
func (s Stream[T]) Ungroup() Stream[T] {
	return then[T, T](s, &node{kind: kindGroup, word: "Ungroup", group: ungrouped})
}
