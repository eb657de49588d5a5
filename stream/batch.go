package stream

import (
	"fmt"
	"time"
)

// Batch collects up to size elements of one group into a slice. It passes the slice on once it is
// full, or once wait has passed since its first element; with wait 0 only the size counts. n→1,
// keeps order. Ungrouped, a batch is of one partition. Below GroupByKey a batch is of one key, and
// mostly small. To collect results of many keys, give up the order first:
// GroupByKey().MapConcurrent(64, f).Ungroup().Batch(n, wait). The handler owns the slice.
//
// A batch is flushed early on a drain and on a revoke. It is also flushed when its partition's
// budget is full and none of the partition's elements is being handled, since nothing more can come
// then.
//
// A failed batch fails all its elements or, with a *PartialError, those it names. If the handler
// cannot name them, Bisect finds them. Without Bisect a halt is of the whole batch, and
// Pipeline.SkipRange gives up the records that you name. A batch finishes together with its
// records. Costs one timer per open batch with a wait.
func (s Stream[T]) Batch[B interface{ []T }](size int, wait time.Duration, opts ...StepOption) Stream[B] {
	return then[T, B](s, &node{word: "Batch", opts: stepOpts(opts), op: batchOp[B, T]{size, wait}})
}

type batchOp[B interface{ []T }, T any] struct {
	size int
	wait time.Duration
}

func (batchOp[B, T]) does() effect { return shapes }

func (o batchOp[B, T]) check(c *checker, n *node) {
	if o.size < 1 {
		c.say(faultRange, n.label(), fmt.Sprintf("a batch of %d", o.size), "size is at least 1")
	}
	c.wait(n, o.wait)
	c.batched, c.slices = n, true
}

func (o batchOp[B, T]) place(p *planner, n *node) {
	if d := p.stage.degree; d != nil && (d.keepOrder || p.group != ungrouped && p.group != p.stage.group) {
		p.boundary() // the workers above would not keep the order of its batches
	}
	p.value(n)
}

func (o batchOp[B, T]) detail() []string { return upTo(fmt.Sprintf("up to %d", o.size), o.wait) }

// upTo describes a size and the wait after the first element.
func upTo(size string, wait time.Duration) []string {
	if wait > 0 {
		return []string{size, fmt.Sprintf("or %v after the first", wait)}
	}
	return []string{size}
}

func (batchOp[B, T]) collects() {}

func (o batchOp[B, T]) keep(st *step, p *part) any {
	return &bundles[T]{st: st, owner: p, size: o.size, wait: o.wait, open: map[uint64]*bundle[T]{}}
}

func (o batchOp[B, T]) link(w *worker, st *step, next any) any {
	nx := next.(push[B])
	emit := func(w *worker, group uint64, b *bundle[T]) {
		r := joinedRecord(b.part, &joined{members: b.recs, subset: subsetOf[B, T]})
		r.joined.holds.Store(1)
		if w.stops(r) { // a flush must not overtake either
			r.abandon()
			return
		}
		v := B(b.vals)
		w.group = group
		w.cur.Store(r)
		nx(w, r, &v)
	}
	w.flush[st] = func(p *part, group uint64) {
		if b := st.batchOf(p).(*bundles[T]).take(group); b != nil {
			emit(w, group, b)
		}
	}
	return push[T](func(w *worker, r *record, v *T) {
		group := st.groupOf(w, r)
		if b := st.batchOf(r.part).(*bundles[T]).add(group, r, *v); b != nil {
			emit(w, group, b)
		}
	})
}
