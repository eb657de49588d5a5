package ledger

import (
	"cmp"
	"slices"
)

// Memory is what keeps the payload of slabs. Its bytes are held until the last slab that uses it is
// released.
type Memory struct {
	bytes   int64
	users   int  // slabs that are not released; guarded by Ledger.mu
	counted bool // in Ledger.fetched; guarded by Ledger.mu
}

// NewMemory returns a memory of so many bytes, for several slabs.
func NewMemory(bytes int64) *Memory { return &Memory{bytes: bytes} }

// Use makes the slab use a memory instead of its own. Call it before Append.
func (s *Slab) Use(m *Memory) { s.memory = m }

// take has an appended slab use its memory. The caller holds mu.
func (l *Ledger) take(s *Slab) {
	m := s.memory
	if m.users++; m.users == 1 {
		l.bytes += m.bytes
	}
	if !m.counted {
		m.counted = true
		l.fetched += m.bytes
	}
}

// leave ends the use of a slab's memory. The caller holds mu.
func (l *Ledger) leave(s *Slab) {
	if s.memory.users--; s.memory.users == 0 {
		l.bytes -= s.memory.bytes
	}
}

// Waiting returns the slabs with unfinished records whose last hold was given back since the last
// call: they are at rest. With OutOfOrder only.
func (l *Ledger) Waiting() (all []*Slab) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, l.waiting = l.waiting, nil
	for _, s := range all {
		s.listed = false
	}
	return all
}

// Idle returns the unfinished tickets of a slab at rest; nil if the slab is not at rest.
func (s *Slab) Idle() (left []int) {
	if s.left.Load() != 0 {
		return nil
	}
	for i := range s.Tickets {
		if s.Tickets[i].Idle() {
			left = append(left, i)
		}
	}
	return left
}

// Replace replaces a slab at rest. by has only the tickets of s that are listed in left: all
// unfinished ones. No caller may Reopen or Finish them during the call. They stay unfinished.
func (l *Ledger) Replace(s *Slab, left []int, by *Slab) {
	for k, i := range left {
		by.SetOffset(k, s.Offset(i))
		by.behind = append(by.behind, uint32(s.Seq(i)-s.Seq(left[0])))
	}
	by.Defer()
	for k, i := range left {
		by.Tickets[k].state.Or(s.Tickets[i].state.Load() & tried)
	}
	by.memory.counted = true
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	by.ledger, by.arrived, by.seq, by.next = l, s.arrived, s.Seq(left[0]), s.next
	at, _ := slices.BinarySearchFunc(l.slabs[l.first:], s.seq, func(o *Slab, seq int64) int { return cmp.Compare(o.seq, seq) })
	at += l.first
	if left[0] > 0 { // what finished before it belongs to the slab before
		if end, _ := s.upTo(left[0]); at == l.first {
			l.mark = end
		} else {
			l.slabs[at-1].next = end
		}
	}
	l.slabs[at] = by
	l.records += len(left)
	l.take(by)
	l.release(s)
}
