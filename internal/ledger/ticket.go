package ledger

import "sync/atomic"

// Ticket represents one delivered record.
type Ticket struct {
	state atomic.Uint32 // number of holds, and flags above them
	delta uint32        // its offset, relative to the slab's
}

const (
	holdsMask        = 1<<24 - 1
	abandoned uint32 = 1 << (24 + iota) // a hold was released unfinished
	watched                             // call Ledger.Watched
	started                             // work on the record has started
	tried                               // work on the record has started and was abandoned, once or more
)

func (t *Ticket) abandoned() bool { return t.state.Load()&abandoned != 0 }

// Retain adds a hold. The caller must have one.
func (t *Ticket) Retain() { t.state.Add(1) }

// Done releases a hold of ticket i.
func (s *Slab) Done(i int32) {
	switch n := s.Tickets[i].state.Add(^uint32(0)); n & holdsMask {
	case 0:
		s.settle(i, n)
	case holdsMask:
		// continuing could commit an unfinished record
		panic("ledger: a ticket was settled twice")
	}
}

// Abandon releases a hold and marks the record as unfinished.
func (s *Slab) Abandon(i int32) {
	s.Tickets[i].state.Or(abandoned | tried)
	s.Done(i)
}

// Drop is Abandon before any work on the record has started.
func (s *Slab) Drop(i int32) {
	s.Tickets[i].state.Or(abandoned)
	s.Done(i)
}

// Tried reports whether work on the record was ever abandoned.
func (t *Ticket) Tried() bool { return t.state.Load()&tried != 0 }

func (s *Slab) settle(i int32, state uint32) {
	if state&watched != 0 {
		t := &s.Tickets[i]
		s.ledger.Watched(t, !t.abandoned())
		t.state.And(^watched) // not before: see AtRest
	}
	if state&abandoned != 0 {
		s.bad.Add(1) // before left: once left is 0, bad is complete
	} else if f := s.ledger.Finished; f != nil {
		defer f()
	}
	if s.left.Add(-1) == 0 {
		if s.ledger.OutOfOrder {
			s.ledger.finishedEarly(s)
		}
		s.ledger.Rest()
	}
}

// Watch makes the ledger call Watched when the ticket settles. The caller must have a hold.
func (t *Ticket) Watch() { t.state.Or(watched) }

// Finished reports whether the ticket settled as finished.
func (t *Ticket) Finished() bool { return t.state.Load()&(holdsMask|abandoned) == 0 }

// Held reports whether the ticket has holds.
func (t *Ticket) Held() bool { return t.state.Load()&holdsMask != 0 }

// AtRest reports whether the ticket has no holds, and Watched has returned. It reads both at once,
// since only a holder can watch.
func (t *Ticket) AtRest() bool { return t.state.Load()&(holdsMask|watched) == 0 }

// Idle reports whether the ticket settled unfinished. It stays so until Reopen or Finish.
func (t *Ticket) Idle() bool { return t.state.Load()&(holdsMask|watched|abandoned) == abandoned }

// Reopen gives a ticket that settled unfinished one hold again, so that its record is reprocessed.
func (s *Slab) Reopen(i int32) {
	s.ledger.mu.Lock() // a reader of left and then bad must not find both 0 in between
	defer s.ledger.mu.Unlock()
	s.left.Add(1)
	s.bad.Add(-1)
	s.Tickets[i].state.Store(1 | s.Tickets[i].state.Load()&tried)
}

// Finish turns a ticket that settled unfinished into a finished one. It does not call
// Ledger.Finished, since the caller may hold a lock: see CountFinished.
func (s *Slab) Finish(i int32) {
	s.ledger.mu.Lock()
	s.Tickets[i].state.And(^abandoned)
	s.bad.Add(-1)
	s.ledger.mu.Unlock()
	if s.ledger.OutOfOrder {
		s.ledger.finishedEarly(s)
	}
}

// CountFinished calls Finished for n tickets that Finish was called for.
func (l *Ledger) CountFinished(n int) {
	for range n {
		if l.Finished != nil {
			l.Finished()
		}
	}
}

// Defer settles the tickets of a slab that is not appended yet as unfinished. Reopen starts them.
func (s *Slab) Defer() {
	for i := range s.Tickets {
		s.Tickets[i].state.Store(abandoned)
	}
	s.bad.Store(int32(len(s.Tickets)))
	s.left.Store(0)
}

// Begin records that work on the record has started.
func (t *Ticket) Begin() { t.state.Or(started) }
