package ledger

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A record that is set aside leaves the ledger and comes back later, when it is read again. In
// between, Floor keeps the watermark from passing it. With OutOfOrder only.

// Floor keeps the watermark at or below an offset, whatever has finished; math.MaxInt64: it does
// not.
func (l *Ledger) Floor(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor, l.floored = offset, offset != math.MaxInt64
}

// SetAside takes a ticket out of the ledger that settled unfinished: it counts as delivered, but
// neither as finished nor as unfinished. Insert brings its record back. Lower the Floor before.
func (s *Slab) SetAside(i int32) {
	l := s.ledger
	l.mu.Lock()
	s.Tickets[i].state.And(^abandoned)
	s.bad.Add(-1)
	l.aside++
	l.mu.Unlock()
	l.finishedEarly(s)
}

// Insert adds a slab of one record that was set aside, in the order of the offsets. again: it was
// delivered before, and SetAside. Raise the Floor afterwards.
func (l *Ledger) Insert(s *Slab, again bool) {
	s.ledger, s.arrived, s.inserted = l, time.Now(), true
	l.mu.Lock()
	defer l.mu.Unlock()
	at, _ := l.findInserted(s)
	l.back = slices.Insert(l.back, at, s)
	s.seq = l.total
	l.records += len(s.Tickets)
	if again {
		l.aside -= int64(len(s.Tickets))
	} else {
		l.total += int64(len(s.Tickets))
	}
	l.take(s)
}

// Inserted yields the slabs of Insert that are not finished, in the order of the offsets.
func (l *Ledger) Inserted(yield func(s *Slab) bool) {
	l.mu.Lock()
	slabs := slices.Clone(l.back)
	l.mu.Unlock()
	for _, s := range slabs {
		if !yield(s) {
			return
		}
	}
}

func (l *Ledger) findInserted(s *Slab) (at int, found bool) {
	return slices.BinarySearchFunc(l.back, s.base, func(o *Slab, base int64) int { return cmp.Compare(o.base, base) })
}

// inOrder returns the slabs that are not finished, in the order of their first offsets. The caller
// holds mu, and does not change the result.
func (l *Ledger) inOrder() []*Slab {
	if len(l.back) == 0 {
		return l.slabs[l.first:]
	}
	all := slices.Concat(l.slabs[l.first:], l.back)
	slices.SortStableFunc(all, func(a, b *Slab) int { return cmp.Compare(a.base, b.base) })
	return all
}

// lowest returns the offset that the watermark may not pass, for what is set aside or came back.
// The caller holds mu.
func (l *Ledger) lowest() int64 {
	least := int64(math.MaxInt64)
	if l.floored {
		least = l.floor
	}
	for _, s := range l.back {
		if !s.Tickets[0].Finished() {
			return min(least, s.base)
		}
	}
	return least
}
