package stream

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// gate holds the elements of a partition that reached a commit with work below it, until the broker has acknowledged an offset behind them. To
// the ledger they are finished; below, an element is a record of its own that only the drain and the budget still count.
type gate struct {
	mu      sync.Mutex // guards waiting; taken before a set's lock, in open
	waiting []waiter
	held    atomic.Int64 // records that wait
}

type waiter struct {
	offset int64
	size   int64
	pass   func()
}

// enter finishes r and lets pass have what becomes of it once its offset is committed.
func (g *gate) enter(r *record, pass func(after *record)) {
	if r.dropped() {
		r.abandon()
		return
	}
	p := r.part
	last := r.first()
	r.leaves(func(l *record) bool {
		if l.offset() > last.offset() {
			last = l
		}
		return true
	})
	after := &record{part: p, slab: last.slab, i: last.i, after: true, heard: last.heard}
	if r.joint != nil {
		j := &joint{subset: r.joint.subset}
		r.leaves(func(l *record) bool {
			j.members = append(j.members, &record{part: p, slab: l.slab, i: l.i, after: true, heard: l.heard})
			return true
		})
		j.holds.Store(1)
		after = &record{part: p, joint: j, after: true}
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, waiter{last.offset(), after.size(), func() {
		p.after.Add(after.size())
		pass(after)
	}})
	g.held.Add(after.size())
	g.mu.Unlock()
	r.done()
	p.relieve()
	p.run.committer.look()
	g.open(p.committedOffset()) // it may have been committed since, with nobody left to open for it
	p.wakeSource()
}

// open lets those pass whose offset lies below committed, in the order of their records.
func (g *gate) open(committed int64) {
	var out []waiter
	g.mu.Lock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiter) bool {
		if w.offset < committed {
			out = append(out, w)
			return true
		}
		return false
	})
	slices.SortStableFunc(out, func(a, b waiter) int { return cmp.Compare(a.offset, b.offset) })
	for _, w := range out { // under mu, so that two openings cannot overtake each other; put never blocks without a worker
		w.pass()
		g.held.Add(-w.size)
	}
	g.mu.Unlock()
}

// forget drops what waits of records that will be worked on again, and come here again then: below, nothing is done twice.
func (g *gate) forget(offsets map[int64]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiter) bool {
		if offsets[w.offset] {
			g.held.Add(-w.size)
		}
		return offsets[w.offset]
	})
}

func (g *gate) clear() {
	g.mu.Lock()
	g.waiting = nil
	g.held.Store(0)
	g.mu.Unlock()
}

func (g *gate) empty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting) == 0
}
