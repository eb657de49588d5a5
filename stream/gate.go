package stream

import (
	"slices"
	"sync"
	"sync/atomic"
)

// gate holds the elements of a partition that reached CommitBefore, until the broker has acknowledged
// an offset behind them. To the ledger they are finished; the tail takes them on.
type gate struct {
	mu      sync.Mutex   // guards waiting; taken before a set's and a ledger's lock, in open
	waiting []waiter     // in the order of their offsets, and of their arrival for one offset
	held    atomic.Int64 // records that wait
}

type waiter struct {
	offset int64 // the highest of the element's records
	size   int   // how many records
	to     *stage
	elem   seated
}

// enter finishes the element's records and has it wait for their commit.
func (p *part) enterGate(w waiter) {
	r, g := w.elem.record(), &p.gate
	if r.dropped() {
		r.abandon()
		return
	}
	_, w.offset = r.span()
	w.size = int(r.size())
	g.mu.Lock()
	at := len(g.waiting)
	for at > 0 && g.waiting[at-1].offset > w.offset {
		at--
	}
	g.waiting = slices.Insert(g.waiting, at, w)
	held := g.held.Add(int64(w.size))
	g.mu.Unlock()
	r.done()
	if most := int64(p.run.opts.records+1) / 2; held >= most && held-int64(w.size) < most {
		p.changed() // so much waits that no count may ever be reached
	}
	p.openGate(p.committedOffset()) // where a partition begins below what is committed, no commit comes for it
}

// openGate lets those pass whose offset lies below committed.
func (p *part) openGate(committed int64) {
	g := &p.gate
	g.mu.Lock()
	defer g.mu.Unlock() // held while they go into their lanes, so that two openings cannot overtake each other
	n := 0
	for n < len(g.waiting) && g.waiting[n].offset < committed {
		n++
	}
	if n == 0 {
		return
	}
	p.tail.follow(g.waiting[:n])
	for _, w := range g.waiting[:n] {
		g.held.Add(-int64(w.size)) // the tail counts them by now
	}
	clear(g.waiting[:n])
	if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
}

// forget drops what waits of records that will be worked on again, and come here again then.
func (g *gate) forget(offsets map[int64]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiter) bool {
		if offsets[w.offset] {
			g.held.Add(-int64(w.size))
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
