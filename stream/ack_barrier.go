package stream

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/window"
)

// ackBarrier holds the elements of a partition at CommitBefore until the broker has acknowledged an
// offset above theirs. In the ledger they are finished. The tail processes them further.
type ackBarrier struct {
	// guards waiting; openBarrier takes it before the lock of a lane set or a ledger
	mu      sync.Mutex
	waiting window.Window[waiter] // in the order of their last records
	held    atomic.Int64          // waiting records
}

type waiter struct {
	offset int64 // the highest of the element's records
	size   int   // number of records
	to     int   // the stage below the barrier
	elem   seated
}

// enterBarrier finishes the element's records. The element waits for their commit.
func (p *part) enterBarrier(w waiter) {
	r, b := w.elem.record(), &p.barrier
	_, last := r.ends()
	w.offset, w.size = last.offset(), int(r.size())
	b.mu.Lock()
	if r.dropped() { // under mu: a barrier that was cleared stays empty
		b.mu.Unlock()
		r.abandon()
		return
	}
	*b.waiting.Add(last.seq()) = w
	held := b.held.Add(int64(w.size))
	b.mu.Unlock()
	r.done()
	records, _ := p.host.limits()
	if most := int64(records+1) / 2; held >= most && held-int64(w.size) < most {
		p.changed() // commit now: with so many waiting, CommitEvery's count may never be reached
	}
	// An assignment may start below the committed offset, so the element's commit may have been
	// made. A commit that is noted after this look finds the element, which was added before.
	if at := p.committedOffset(); w.offset < at {
		p.openBarrier(at)
	}
}

// openBarrier passes elements below the committed offset to the tail.
func (p *part) openBarrier(committed int64) {
	b := &p.barrier
	b.mu.Lock()
	// held until the elements are in their lanes, so that two calls cannot overtake each other
	defer b.mu.Unlock()
	var passed []waiter
	for {
		w := b.waiting.First()
		if w == nil || w.offset >= committed {
			break
		}
		passed = append(passed, *w)
		b.waiting.Pop()
	}
	if len(passed) == 0 {
		return
	}
	p.tail.follow(passed)
	for _, w := range passed {
		b.held.Add(-int64(w.size)) // after the tail counts them: see part.below
	}
}

// forget removes waiting elements of records that will be reprocessed, and so come here again. In a
// batch it removes these members only. If the batch cannot be split, it removes all of it and
// returns the other members, whose result is lost.
func (b *ackBarrier) forget(offsets map[int64]bool) (lost []*record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.waiting.All {
		left := w.elem.record().without(offsets)
		switch {
		case len(left) == w.size:
			continue
		case len(left) > 0 && !w.elem.keep(offsets):
			lost = append(lost, left...)
			left = nil
		}
		b.held.Add(int64(len(left) - w.size))
		w.size = len(left)
	}
	b.waiting.DeleteFunc(func(w *waiter) bool { return w.size == 0 })
	return lost
}

// without returns the element's records except those at the given offsets.
func (r *record) without(offsets map[int64]bool) (left []*record) {
	r.sources(func(l *record) bool {
		if !offsets[l.offset()] {
			left = append(left, l)
		}
		return true
	})
	return left
}

// closeBarrier drops the waiting elements, since no commit will come. If some records of an element
// are committed, the element passes with those. If it cannot be split, closeBarrier returns the
// committed records, which are lost.
func (p *part) closeBarrier() (lost []*record) {
	committed, b := p.committedOffset(), &p.barrier
	again, named := map[int64]bool{}, map[int64]bool{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.waiting.All {
		w.elem.record().sources(func(l *record) bool {
			again[l.offset()] = l.offset() >= committed
			return true
		})
	}
	var passed []waiter
	for w := range b.waiting.All {
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
	b.waiting.Clear()
	if len(passed) > 0 {
		p.tail.follow(passed)
	}
	b.held.Store(0) // after the tail counts them: see part.below
	return lost
}

func (b *ackBarrier) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.Len() == 0
}
