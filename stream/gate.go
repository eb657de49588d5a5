package stream

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/fifo"
)

// gate holds the elements of a partition that reached CommitBefore, until the broker has acknowledged
// an offset behind them. To the ledger they are finished; the tail takes them on.
type gate struct {
	mu      sync.Mutex         // guards waiting; taken before a set's and a ledger's lock, in open
	waiting fifo.Queue[waiter] // in the order of their offsets, and of their arrival for one offset
	held    atomic.Int64       // records that wait
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
	g.waiting.Push(w)
	all := g.waiting.Items()
	for i := len(all) - 1; i > 0 && all[i-1].offset > w.offset; i-- { // it comes nearly in order
		all[i-1], all[i] = all[i], all[i-1]
	}
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
	all, n := g.waiting.Items(), 0
	for n < len(all) && all[n].offset < committed {
		n++
	}
	if n == 0 {
		return
	}
	p.tail.follow(all[:n])
	for _, w := range all[:n] {
		g.held.Add(-int64(w.size)) // the tail counts them by now
	}
	g.waiting.Drop(n)
}

// forget drops what waits of records that will be worked on again, and come here again then.
func (g *gate) forget(offsets map[int64]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting.DeleteFunc(func(w waiter) bool {
		if offsets[w.offset] {
			g.held.Add(-int64(w.size))
		}
		return offsets[w.offset]
	})
}

func (g *gate) clear() {
	g.mu.Lock()
	g.waiting = fifo.Queue[waiter]{}
	g.held.Store(0)
	g.mu.Unlock()
}

func (g *gate) empty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Empty()
}
