package ledger

import "sync/atomic"

// Ticket stands for one delivered record.
type Ticket struct {
	state atomic.Uint32 // holds, and marks above them
	delta uint32        // of its offset to the slab's
}

const (
	holdsMask        = 1<<24 - 1
	abandoned uint32 = 1 << (24 + iota) // a hold was given back unfinished
	watched                             // Ledger.Watched wants to know
	begun                               // work on the record has begun
)

func (t *Ticket) abandoned() bool { return t.state.Load()&abandoned != 0 }

// Retain adds a hold. The caller has one itself.
func (t *Ticket) Retain() { t.state.Add(1) }

// Done gives a hold of ticket i back.
func (s *Slab) Done(i int32) {
	switch n := s.Tickets[i].state.Add(^uint32(0)); n & holdsMask {
	case 0:
		s.rest(i, n)
	case holdsMask:
		// going on could commit a record that nobody finished
		panic("ledger: a ticket was resolved twice")
	}
}

// Abandon gives a hold back and says that the record must not count as finished.
func (s *Slab) Abandon(i int32) {
	s.Tickets[i].state.Or(abandoned)
	s.Done(i)
}

func (s *Slab) rest(i int32, state uint32) {
	if state&watched != 0 {
		t := &s.Tickets[i]
		s.led.Watched(t, !t.abandoned())
		t.state.And(^watched) // not before: see AtRest
	}
	if state&abandoned != 0 {
		s.bad.Add(1) // before left: a slab whose left is 0 shows all that is bad
	} else if f := s.led.Finished; f != nil {
		defer f()
	}
	if s.left.Add(-1) == 0 {
		if s.led.OutOfOrder {
			s.led.settled(s)
		}
		s.led.Rest()
	}
}

// OnMatch has the ledger's Watched called when the ticket comes to rest. The caller has a hold.
func (t *Ticket) Watch() { t.state.Or(watched) }

// Finished reports whether the record came to rest finished.
func (t *Ticket) Finished() bool { return t.state.Load()&(holdsMask|abandoned) == 0 }

// Held reports whether something still depends on the ticket.
func (t *Ticket) Held() bool { return t.state.Load()&holdsMask != 0 }

// AtRest reports whether nothing depends on the ticket any more, and who watched it has been told.
// in this order: only who has a hold can watch
func (t *Ticket) AtRest() bool { return t.state.Load()&(holdsMask|watched) == 0 }

// Reopen gives an unfinished ticket at rest one hold again: its record will be worked on anew.
func (s *Slab) Reopen(i int32) {
	s.led.mu.Lock() // one who looks at left and then at bad must not find both 0 in between
	defer s.led.mu.Unlock()
	s.left.Add(1)
	s.bad.Add(-1)
	s.Tickets[i].state.Store(1)
}

// Finish gives up on an unfinished ticket at rest: it counts as finished from now on.
func (s *Slab) Finish(i int32) {
	s.led.mu.Lock()
	s.Tickets[i].state.And(^abandoned)
	s.bad.Add(-1)
	s.led.mu.Unlock()
	if s.led.OutOfOrder {
		s.led.settled(s)
	}
	if f := s.led.Finished; f != nil {
		f()
	}
}

// Defer gives back the holds of a slab that is not appended yet: its records are unfinished, and
// Reopen takes them up.
func (s *Slab) Defer() {
	for i := range s.Tickets {
		s.Tickets[i].state.Store(abandoned)
	}
	s.bad.Store(int32(len(s.Tickets)))
	s.left.Store(0)
}

// Begin notes that work on the record begins.
func (t *Ticket) Begin() { t.state.Or(begun) }
