package stream

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/window"
)

// gate holds the elements of a partition that reached CommitBefore, until the broker has
// acknowledged an offset behind them. To the ledger they are finished; the tail takes them on.
type gate struct {
	// guards waiting; taken before a set's and a ledger's lock, in open
	mu      sync.Mutex
	waiting window.Window[waiter] // in the order of their last records
	held    atomic.Int64          // records that wait
}

type waiter struct {
	offset int64 // the highest of the element's records
	size   int   // how many records
	to     int   // the stage behind the gate
	elem   seated
}

// enter finishes the element's records and has it wait for their commit.
func (p *part) enterGate(w waiter) {
	r, g := w.elem.record(), &p.gate
	if r.dropped() {
		r.abandon()
		return
	}
	_, last := r.ends()
	w.offset, w.size = last.offset(), int(r.size())
	g.mu.Lock()
	g.waiting.Put(last.seq(), w)
	held := g.held.Add(int64(w.size))
	g.mu.Unlock()
	r.done()
	records, _ := p.host.limits()
	if most := int64(records+1) / 2; held >= most && held-int64(w.size) < most {
		p.changed() // so much waits that no count may ever be reached
	}
	// where a partition begins below what is committed, no commit comes for it
	p.openGate(p.committedOffset())
}

// openGate lets those pass whose offset lies below committed.
func (p *part) openGate(committed int64) {
	g := &p.gate
	g.mu.Lock()
	// held while they go into their lanes, so that two openings cannot overtake each other
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
		g.held.Add(-int64(w.size)) // the tail counts them by now
	}
}

// forget drops what waits of records that will be worked on again, and come here again then. Of a
// batch it drops these members. It returns what is lost with them: it cannot be told apart any
// more.
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

// without is the element's records but for those at the given offsets.
func (r *record) without(offsets map[int64]bool) (left []*record) {
	r.leaves(func(l *record) bool {
		if !offsets[l.offset()] {
			left = append(left, l)
		}
		return true
	})
	return left
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
