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

// forget drops what waits of records that will be worked on again, and come here again then. Of a
// batch it drops these members. It returns what is lost with them: it cannot be told apart any more.
func (g *gate) forget(offsets map[int64]bool) (lost []*record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting.Items()
	for i := range all {
		w := &all[i]
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

// keep makes of a batch the batch of its members without those at the given offsets; false: it is none
// any more, or one of its members is so in part.
func (e *elem[T]) keep(offsets map[int64]bool) bool {
	var members []int
	for i, m := range e.r.joint.members {
		switch left := len(m.without(offsets)); {
		case left == int(m.size()):
			members = append(members, i)
		case left > 0:
			return false
		}
	}
	v, ok := e.r.joint.subset(e.v, members)
	if ok {
		e.r, e.v = e.r.join(members), v.(T)
	}
	return ok
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
