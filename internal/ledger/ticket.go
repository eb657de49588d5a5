package ledger

import "sync/atomic"

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
	if t.marks.Load()&watched != 0 {
		s.led.Watched(t, !t.abandoned())
		t.marks.And(^watched) // not before: see AtRest
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

// AtRest reports whether nothing depends on the ticket any more, and who watched it has been told.
func (t *Ticket) AtRest() bool { return !t.Held() && t.marks.Load()&watched == 0 } // in this order: only who has a hold can watch

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

// Defer gives back the holds of a slab that is not appended yet: its records are unfinished, and
// Reopen takes them up.
func (s *Slab) Defer() {
	for i := range s.Tickets {
		s.Tickets[i].holds.Store(0)
		s.Tickets[i].marks.Store(abandoned)
	}
	s.bad.Store(int32(len(s.Tickets)))
	s.left.Store(0)
}

// Begin notes that work on the record begins.
func (t *Ticket) Begin() { t.marks.Or(begun) }
