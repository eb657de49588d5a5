package stream

import (
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

func subsetOf[B interface{ []T }, T any](batch any, keep []int) (any, bool) {
	b, ok := batch.(B)
	if !ok {
		return nil, false
	}
	some := make([]T, 0, len(keep))
	for _, i := range keep {
		if i >= len(b) {
			return nil, false
		}
		some = append(some, b[i])
	}
	return B(some), true
}

// batch is the open batches of one Batch step in one partition.
type batch interface {
	discard()             // abandons what it holds
	schedule() (any bool) // has what it holds flushed by a worker; false: it holds nothing
	has(r *record) int    // how many elements are in the batch that has a source record; 0: none has
}

type bundles[T any] struct {
	st    *step
	owner *part
	size  int
	wait  time.Duration
	mu    sync.Mutex // guards open and the bundles in it; nothing is called under it
	open  map[uint64]*bundle[T]
}

type bundle[T any] struct {
	part  *part
	vals  []T
	recs  []*record
	timer *time.Timer
	asked bool // a flush is on its way
}

// add collects an element and returns the bundle if that made it full.
func (bs *bundles[T]) add(group uint64, r *record, v T) (full *bundle[T]) {
	bs.mu.Lock()
	if r.dropped() {
		bs.mu.Unlock()
		r.abandon()
		return nil
	}
	b := bs.open[group]
	if b == nil {
		room := min(bs.size, 64)
		b = &bundle[T]{part: bs.owner, vals: make([]T, 0, room), recs: make([]*record, 0, room)}
		bs.open[group] = b
		if bs.wait > 0 && bs.size > 1 {
			b.timer = time.AfterFunc(bs.wait, func() { bs.ask(group, b) })
		}
	}
	b.vals, b.recs = append(b.vals, v), append(b.recs, r)
	if len(b.vals) >= bs.size {
		bs.remove(group, b)
		full = b
	}
	bs.mu.Unlock()
	return full
}

// take returns the open bundle of a group if its flush was asked for; nil if it has filled up, or
// was discarded, meanwhile.
func (bs *bundles[T]) take(group uint64) *bundle[T] {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.open[group]
	if b == nil || !b.asked {
		return nil
	}
	bs.remove(group, b)
	return b
}

func (bs *bundles[T]) remove(group uint64, b *bundle[T]) {
	delete(bs.open, group)
	if b.timer != nil {
		b.timer.Stop()
	}
}

// ask sends a flush to the stage, unless one is on its way or b was taken meanwhile.
func (bs *bundles[T]) ask(group uint64, b *bundle[T]) {
	bs.mu.Lock()
	old := bs.open[group] != b || b.asked
	if !old {
		b.asked = true
	}
	bs.mu.Unlock()
	if !old {
		bs.st.stage.flushLater(&flushTask{step: bs.st, part: bs.owner, group: group})
	}
}

func (bs *bundles[T]) schedule() bool {
	bs.mu.Lock()
	asks := make(map[uint64]*bundle[T], len(bs.open))
	for g, b := range bs.open {
		asks[g] = b
	}
	bs.mu.Unlock()
	for g, b := range asks {
		bs.ask(g, b)
	}
	return len(asks) > 0
}

func (bs *bundles[T]) has(r *record) int {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	for _, b := range bs.open {
		for _, one := range b.recs {
			if !one.leaves(func(l *record) bool { return l != r }) {
				return len(b.recs)
			}
		}
	}
	return 0
}

func (bs *bundles[T]) discard() {
	var drop []*record
	bs.mu.Lock()
	for g, b := range bs.open {
		drop = append(drop, b.recs...)
		bs.remove(g, b)
	}
	bs.mu.Unlock()
	for _, r := range drop {
		r.abandon()
	}
}

// flushTask asks a worker to pass an open batch on.
type flushTask struct {
	lane.Task
	step  *step
	part  *part
	group uint64
}

func (f *flushTask) record() *record { return nil }
func (f *flushTask) groupID() uint64 { return f.group }
func (f *flushTask) owner() *part    { return f.part }

// flushLater puts a flush where the group's elements are, so that it keeps its place among them.
func (sg *stage) flushLater(f *flushTask) {
	f.Kind = kindOfFlush
	sg.run.starts(f.part, 1)
	set, t := f.part.sets[sg.index], &f.Task
	if sg.plan.keepOrder {
		t = sg.orderOf(f.part).enter(t)
	}
	switch {
	case sg.lanes == perPart:
		set.Put(0, t)
	case sg.lanes == perGroup && f.step.keyed():
		set.Put(f.group, t)
	default:
		set.PutLoose(t)
	}
}

// keyed reports whether the step collects by key rather than by partition.
func (st *step) keyed() bool { return st.group == byKey || st.group == byFunc }

// groupOf is what the step collects an element under.
func (st *step) groupOf(w *worker, r *record) uint64 {
	switch {
	case !st.keyed():
		return 0
	case st.group == byKey:
		return w.keyOf(r)
	}
	return w.group
}

// batchOf is the step's open batches for elements of p.
func (st *step) batchOf(p *part) batch { return p.state[st.state].(batch) }
