// Package ledger turns tickets that are resolved in any order into a watermark that only moves over finished records.
//
// A Ledger belongs to one assignment of one partition. It holds the delivered records in order, in slabs; each has a Ticket. A ticket is
// held by everything that still depends on its record (Retain), and comes to rest when the last hold is given back: finished, or unfinished
// if one of the holds was given back by Abandon. The watermark is the end of the longest finished prefix. Kafka's offsets have gaps, so
// nothing here computes offset+1 but behind a finished record.
package ledger

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Ticket stands for one delivered record.
type Ticket struct {
	holds  atomic.Int32
	marks  atomic.Uint32
	slab   *Slab
	Offset int64
}

const (
	abandoned uint32 = 1 << iota // a hold was given back unfinished
	watched                      // Ledger.Watched wants to know
	begun                        // work on the record has begun
)

func (t *Ticket) abandoned() bool { return t.marks.Load()&abandoned != 0 }

// Slab is a run of delivered records: the unit in which they come and in which they are forgotten.
type Slab struct {
	Tickets []Ticket
	Payload any // what the records are; dropped with the slab

	left  atomic.Int32 // tickets not at rest
	bad   atomic.Int32 // tickets at rest but unfinished
	next  int64        // position behind the slab, gaps included
	bytes int64
	led   *Ledger
}

// Ledger is the delivered records of one assignment, from the watermark to the fetch position.
type Ledger struct {
	// Rest is called, without a lock, each time the last ticket of a slab comes to rest.
	Rest func()
	// Finished, where set, is called without a lock for each record that came to rest finished.
	Finished func()
	// Forget, where set, is called with the payload of a slab that is done with, under the ledger's lock: it must be short.
	Forget func(payload any)
	// Watched is called without a lock when a ticket that was given to Watch comes to rest.
	Watched func(t *Ticket, finished bool)

	mu      sync.Mutex // guards what follows; a leaf: nothing is called under it
	slabs   []*Slab    // oldest first
	first   int        // slabs[:first] are done with
	mark    int64      // the watermark as far as whole slabs go
	records int
	bytes   int64
}

// Start sets the watermark of an empty ledger.
func (l *Ledger) Start(offset int64) { l.mark = offset }

// NewSlab returns a slab of n tickets with one hold each. Set their Offsets, then Append it.
func NewSlab(n int, next, bytes int64, payload any) *Slab {
	s := &Slab{Tickets: make([]Ticket, n), Payload: payload, next: next, bytes: bytes}
	for i := range s.Tickets {
		s.Tickets[i].slab = s
		s.Tickets[i].holds.Store(1)
	}
	s.left.Store(int32(n))
	return s
}

// Append adds delivered records behind all earlier ones.
func (l *Ledger) Append(s *Slab) {
	s.led = l
	l.mu.Lock()
	l.slabs = append(l.slabs, s)
	l.records += len(s.Tickets)
	l.bytes += s.bytes
	l.mu.Unlock()
}

// Advance moves the watermark over offsets without records, where nothing is in flight. Behind records, the gap counts with their slab.
func (l *Ledger) Advance(next int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.slabs); n > l.first {
		s := l.slabs[n-1]
		s.next = max(s.next, next)
		return
	}
	l.mark = max(l.mark, next)
}

// Watermark is the offset behind the longest finished prefix.
func (l *Ledger) Watermark() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	if l.first == len(l.slabs) {
		return l.mark
	}
	mark := l.mark
	s := l.slabs[l.first]
	for i := range s.Tickets {
		t := &s.Tickets[i]
		if !t.Finished() {
			break
		}
		mark = t.Offset + 1
	}
	return mark
}

// forget drops finished slabs from the front. The caller holds mu.
func (l *Ledger) forget() {
	for l.first < len(l.slabs) {
		s := l.slabs[l.first]
		if s.left.Load() != 0 || s.bad.Load() != 0 {
			break
		}
		l.mark = s.next
		l.records -= len(s.Tickets)
		l.bytes -= s.bytes
		l.slabs[l.first] = nil
		l.first++
		if l.Forget != nil {
			l.Forget(s.Payload)
		}
	}
	if l.first > 64 && l.first*2 > len(l.slabs) {
		n := copy(l.slabs, l.slabs[l.first:])
		clear(l.slabs[n:])
		l.slabs = l.slabs[:n]
		l.first = 0
	}
}

// Held is how many records, and how many bytes of payload, lie between the watermark and the fetch position.
func (l *Ledger) Held() (records int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	return l.records, l.bytes
}

// AtRest reports whether no ticket is held any more.
func (l *Ledger) AtRest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.slabs[l.first:] {
		if s.left.Load() != 0 {
			return false
		}
	}
	return true
}

// Unfinished returns the tickets that are not finished, oldest first, with their slabs' payload and their index in it.
func (l *Ledger) Unfinished(yield func(s *Slab, i int) bool) {
	l.mu.Lock()
	slabs := append([]*Slab(nil), l.slabs[l.first:]...)
	l.mu.Unlock()
	for _, s := range slabs {
		for i := range s.Tickets {
			if !s.Tickets[i].Finished() && !yield(s, i) {
				return
			}
		}
	}
}

// Frontier is the highest offset that Begin was told of since it was appended or reopened; -1: none.
func (l *Ledger) Frontier() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range slices.Backward(l.slabs[l.first:]) {
		for i := len(s.Tickets) - 1; i >= 0; i-- {
			if t := &s.Tickets[i]; t.marks.Load()&begun != 0 {
				return t.Offset
			}
		}
	}
	return -1
}

// Begin notes that work on the record begins.
func (t *Ticket) Begin() { t.marks.Or(begun) }

// Retain adds a hold. The caller has one itself.
func (t *Ticket) Retain() { t.holds.Add(1) }

// Done gives a hold back.
func (t *Ticket) Done() {
	switch n := t.holds.Add(-1); {
	case n == 0:
		t.rest()
	case n < 0:
		panic("ledger: a ticket was resolved twice") // going on could commit a record that nobody finished
	}
}

// Abandon gives a hold back and says that the record must not count as finished.
func (t *Ticket) Abandon() {
	t.marks.Or(abandoned)
	t.Done()
}

func (t *Ticket) rest() {
	s := t.slab
	if t.marks.Load()&watched != 0 && t.marks.And(^watched)&watched != 0 {
		s.led.Watched(t, !t.abandoned())
	}
	if t.abandoned() {
		s.bad.Add(1) // before left: a slab whose left is 0 shows all that is bad
	} else if f := s.led.Finished; f != nil {
		defer f()
	}
	if s.left.Add(-1) == 0 {
		s.led.Rest()
	}
}

// Watch has the ledger's Watched called when the ticket comes to rest. The caller has a hold.
func (t *Ticket) Watch() { t.marks.Or(watched) }

// Finished reports whether the record came to rest finished.
func (t *Ticket) Finished() bool { return t.holds.Load() == 0 && !t.abandoned() }

// Held reports whether something still depends on the ticket.
func (t *Ticket) Held() bool { return t.holds.Load() != 0 }

// Reopen gives an unfinished ticket at rest one hold again: its record will be worked on anew.
func (t *Ticket) Reopen() {
	t.slab.led.mu.Lock() // one who looks at left and then at bad must not find both 0 in between
	defer t.slab.led.mu.Unlock()
	t.slab.left.Add(1)
	t.slab.bad.Add(-1)
	t.holds.Store(1) // before the mark goes: without either it would look finished, and be committed
	t.marks.And(^(abandoned | begun))
}

// Finish gives up on an unfinished ticket at rest: it counts as finished from now on.
func (t *Ticket) Finish() {
	t.slab.led.mu.Lock()
	defer t.slab.led.mu.Unlock()
	t.marks.And(^abandoned)
	t.slab.bad.Add(-1)
}
