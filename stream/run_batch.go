package stream

import (
	"maps"
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
	discard()             // abandons those of its elements that are dropped
	schedule() (any bool) // has a worker flush the elements; false if there are none
	has(r *record) int    // the number of elements in the open batch that holds a source record; 0: none holds it
}

type bundles[T any] struct {
	st    *step
	owner *part
	size  int
	wait  time.Duration
	mu    sync.Mutex // guards the fields below and the bundles in open; nothing is called under it
	open  map[uint64]*bundle[T]
	usual int // the length of the last bundle that was full or flushed: the room of the next
}

type bundle[T any] struct {
	part  *part
	vals  []T
	recs  []*record
	timer *time.Timer
	asked bool // a flush task is queued
}

// add adds an element to its bundle, and returns the bundle once it is full.
func (bs *bundles[T]) add(group uint64, r *record, v T) (full *bundle[T]) {
	bs.mu.Lock()
	if r.dropped() {
		bs.mu.Unlock()
		r.abandon()
		return nil
	}
	b := bs.open[group]
	if b == nil {
		room := min(bs.usual, 64)
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

// take removes the open bundle of a group and returns it. It returns nil if the bundle that the
// flush was for has filled up or was discarded.
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
	bs.usual = len(b.vals)
	if b.timer != nil {
		b.timer.Stop()
	}
}

// ask queues a flush task in the stage unless one is queued or b is no longer open.
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
	asks := maps.Clone(bs.open)
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
			if !one.sources(func(l *record) bool { return l != r }) {
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
		keep := 0
		for i, r := range b.recs {
			if r.dropped() {
				drop = append(drop, r)
				continue
			}
			b.vals[keep], b.recs[keep] = b.vals[i], r
			keep++
		}
		clear(b.vals[keep:])
		clear(b.recs[keep:])
		b.vals, b.recs = b.vals[:keep], b.recs[:keep]
		if keep == 0 {
			bs.remove(g, b)
		}
	}
	bs.mu.Unlock()
	for _, r := range drop {
		r.abandon()
	}
}

// flushTask asks a worker to pass on an open batch.
type flushTask struct {
	lane.Task
	step  *step
	part  *part
	group uint64
}

func (f *flushTask) record() *record { return nil }
func (f *flushTask) groupID() uint64 { return f.group }
func (f *flushTask) owner() *part    { return f.part }

// flushLater puts a flush into the lane of the group's elements, so that it stays in order with
// them.
func (sg *stage) flushLater(f *flushTask) {
	f.Kind = kindOfFlush
	sg.exec.starts(f.part, 1)
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

// groupOf returns the group in which the step collects an element.
func (st *step) groupOf(w *worker, r *record) uint64 {
	switch {
	case !st.keyed():
		return 0
	case st.group == byKey:
		return w.keyOf(r)
	}
	return w.group
}

// batchOf returns the step's open batches of p.
func (st *step) batchOf(p *part) batch { return p.state[st.state].(batch) }
