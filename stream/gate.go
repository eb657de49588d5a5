package stream

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/window"
)

// gate is the ack barrier at CommitBefore. Elements of a partition wait here until the broker has
// acknowledged an offset above theirs. In the ledger they are finished; the tail processes them
// further.
type gate struct {
	// guards waiting; openGate takes it before the lock of a lane set or a ledger
	mu      sync.Mutex
	waiting window.Window[waiter] // in the order of their last records
	held    atomic.Int64          // waiting records
}

type waiter struct {
	offset int64 // the highest of the element's records
	size   int   // number of records
	to     int   // the stage below the gate
	elem   seated
}

// enterGate finishes the element's records and has the element wait for their commit.
func (p *part) enterGate(w waiter) {
	r, g := w.elem.record(), &p.gate
	_, last := r.ends()
	w.offset, w.size = last.offset(), int(r.size())
	g.mu.Lock()
	if r.dropped() { // under mu: a gate that was cleared stays empty
		g.mu.Unlock()
		r.abandon()
		return
	}
	g.waiting.Put(last.seq(), w)
	held := g.held.Add(int64(w.size))
	g.mu.Unlock()
	r.done()
	records, _ := p.host.limits()
	if most := int64(records+1) / 2; held >= most && held-int64(w.size) < most {
		p.changed() // commit now: with so many waiting, CommitEvery's count may never be reached
	}
	// An assignment may start below the committed offset. No commit will come for such an element.
	p.openGate(p.committedOffset())
}

// openGate passes elements below the committed offset to the tail.
func (p *part) openGate(committed int64) {
	g := &p.gate
	g.mu.Lock()
	// held until the elements are in their lanes, so that two calls cannot overtake each other
	defer g.mu.Unlock()
	var passed []waiter
	for {
		w, ok := g.waiting.First()
		if !ok || w.offset >= committed {
			break
		}
		g.waiting.Pop()
		passed = append(passed, w)
	}
	if len(passed) == 0 {
		return
	}
	p.tail.follow(passed)
	for _, w := range passed {
		g.held.Add(-int64(w.size)) // after the tail counts them: see part.below
	}
}

// forget removes waiting elements of records that will be reprocessed, and so come here again. In a
// batch it removes these members only. If the batch cannot be split, it removes all of it and
// returns the other members, whose result is lost.
func (g *gate) forget(offsets map[int64]bool) (lost []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for w := range g.waiting.All {
		left := w.elem.record().without(offsets)
		switch {
		case len(left) == w.size:
			continue
		case len(left) > 0 && !w.elem.keep(offsets):
			lost = append(lost, left...)
			left = nil
		}
		g.held.Add(int64(len(left) - w.size))
		w.size = len(left)
	}
	g.waiting.DeleteFunc(func(w waiter) bool { return w.size == 0 })
	return lost
}

// without returns the element's records except those at the given offsets.
func (r *record) without(offsets map[int64]bool) (left []*record) {
	r.leaves(func(l *record) bool {
		if !offsets[l.offset()] {
			left = append(left, l)
		}
		return true
	})
	return left
}

// closeGate drops the elements that wait, since no commit will come. Of one that was made of
// committed records, too, those pass. If it cannot be split, closeGate returns them: they are lost.
func (p *part) closeGate() (lost []*record) {
	committed, g := p.committedOffset(), &p.gate
	again, named := map[int64]bool{}, map[int64]bool{}
	g.mu.Lock()
	defer g.mu.Unlock()
	for w := range g.waiting.All {
		w.elem.record().leaves(func(l *record) bool {
			again[l.offset()] = l.offset() >= committed
			return true
		})
	}
	var passed []waiter
	for w := range g.waiting.All {
		left := w.elem.record().without(again)
		switch {
		case len(left) == 0:
		case w.elem.keep(again):
			w.size = len(left)
			passed = append(passed, *w)
		default:
			for _, l := range left {
				if !named[l.offset()] {
					named[l.offset()] = true
					lost = append(lost, l)
				}
			}
		}
	}
	g.waiting.Clear()
	if len(passed) > 0 {
		p.tail.follow(passed)
	}
	g.held.Store(0) // after the tail counts them: see part.below
	return lost
}

func (g *gate) clear() {
	g.mu.Lock()
	g.waiting.Clear()
	g.held.Store(0)
	g.mu.Unlock()
}

func (g *gate) empty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len() == 0
}
