package stream

import (
	"fmt"
	"time"
)

// Batch collects within a group (ungrouped: within a partition) up to size elements, or until wait
// has passed since the first (0: by size alone). Below GroupByKey a batch is of one key, and mostly
// small. To collect what many keys have finished, give the order up first:
// GroupByKey().MapConcurrent(64, f).Ungroup().Batch(n, wait). n→1, keeps order. What is collected
// is flushed early on a drain, on a revoke, and when the partition's budget lets nothing more in
// and nothing is on its way, so that a batch never waits for what cannot come. The slice is the
// handler's to keep.
//
// A failed batch fails all its elements or, with a *PartialError, those it names. Where nobody
// knows which they are, Bisect has a step find out; without it a halt is of the whole batch, and
// Pipeline.SkipRange gives up those of its records that you name. A batch is done, and each of its
// records with it, when what became of it is done. Costs a timer per open batch.
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
		c.say(n.label(), fmt.Sprintf("a batch of %d", o.size), "size is at least 1")
	}
	c.wait(n, o.wait)
	c.batched, c.slices = n, true
}

func (o batchOp[B, T]) cut(c *cutter, n *node) {
	if d := c.stage.degree; d != nil && (d.keepOrder || c.group != ungrouped && c.group != c.stage.group) {
		c.boundary() // its batches follow one another, which the workers above do not see to
	}
	c.value(n)
}

func (o batchOp[B, T]) detail() []string { return upTo(fmt.Sprintf("up to %d", o.size), o.wait) }

// upTo is a size, and how long the first waits for it.
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
		r := jointRecord(b.part, &joint{members: b.recs, subset: subsetOf[B, T]})
		r.joint.holds.Store(1)
		if w.stops(r) { // a flush is no licence to overtake
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
