package ledger

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Slab is a run of delivered records. Records are delivered and forgotten by the slab.
type Slab struct {
	Tickets []Ticket
	Payload any // describes the records; dropped with the slab

	left    atomic.Int32 // tickets that have not settled
	bad     atomic.Int32 // tickets that settled unfinished
	next    int64        // position after the slab, gaps included
	memory  *Memory
	own     Memory   // unless it shares that of others
	base    int64    // offset of the first record
	seq     int64    // delivery number of the first record
	behind  []uint32 // of each record, how much higher its delivery number is; nil: its index
	arrived time.Time
	ledger  *Ledger

	inserted bool // in Ledger.back

	// guarded by Ledger.mu
	head     int  // Tickets[:head] are finished
	released bool // Forget was called
	listed   bool // in Ledger.waiting
}

// Ledger holds the delivered records of one assignment, from the watermark to the fetch position.
type Ledger struct {
	// Rest is called, without a lock, whenever the last ticket of a slab settles.
	Rest func()
	// Finished, if set, is called without a lock for each finished record.
	Finished func()
	// Forget, if set, is called with the payload of a slab that is no longer needed, under the ledger's
	// lock: it must be short.
	Forget func(payload any)
	// Watched is called without a lock when a ticket settles that was passed to Watch.
	Watched func(t *Ticket, finished bool)
	// OutOfOrder forgets a slab once it has finished. Without it, a slab is forgotten once the
	// watermark has passed it.
	OutOfOrder bool

	mu       sync.Mutex // guards the fields below; a leaf: nothing is called under it
	slabs    []*Slab    // oldest first
	first    int        // slabs[:first] are below the watermark
	released int        // number of released slabs among the others
	mark     int64      // the watermark, as far as whole slabs go
	records  int        // in slabs that are not released
	bytes    int64
	total    int64   // records appended so far
	fetched  int64   // bytes appended so far
	waiting  []*Slab // see Waiting
	back     []*Slab // see Insert; none is released
	aside    int64   // records that are set aside, of total
	floor    int64   // see Floor
	floored  bool
}

// Start sets the watermark of an empty ledger.
func (l *Ledger) Start(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark = offset
}

// NewSlab returns a slab of n tickets with one hold each. Set their offsets, then Append it.
func NewSlab(n int, next, bytes int64, payload any) *Slab {
	s := &Slab{Tickets: make([]Ticket, n), Payload: payload, next: next, own: Memory{bytes: bytes}}
	s.memory = &s.own
	for i := range s.Tickets {
		s.Tickets[i].state.Store(1)
	}
	s.left.Store(int32(n))
	return s
}

// MaxSpan is the largest distance between a slab's first and last offset.
const MaxSpan = math.MaxUint32

// SetOffset sets the offset of ticket i. Set that of ticket 0 first.
func (s *Slab) SetOffset(i int, offset int64) {
	if i == 0 {
		s.base = offset
	}
	s.Tickets[i].delta = uint32(offset - s.base)
}

// Seq returns the delivery number of ticket i. It has no gaps, but for records that Replace left
// out.
func (s *Slab) Seq(i int) int64 {
	if s.behind != nil {
		return s.seq + int64(s.behind[i])
	}
	return s.seq + int64(i)
}

// Offset returns the offset of ticket i.
func (s *Slab) Offset(i int) int64 { return s.base + int64(s.Tickets[i].delta) }

// upTo returns the offset up to which all is finished, and the delivery number, once the first n
// tickets are, n > 0. A slab put in place by Replace has nothing unfinished between its tickets.
func (s *Slab) upTo(n int) (offset, records int64) {
	if s.behind != nil && n < len(s.Tickets) {
		return s.Offset(n), s.Seq(n)
	}
	return s.Offset(n-1) + 1, s.Seq(n-1) + 1
}

// Came returns when the slab was appended.
func (s *Slab) Came() time.Time { return s.arrived }

// Append adds delivered records after all earlier ones.
func (l *Ledger) Append(s *Slab) {
	s.ledger, s.arrived = l, time.Now()
	l.mu.Lock()
	s.seq = l.total
	l.slabs = append(l.slabs, s)
	l.records += len(s.Tickets)
	l.total += int64(len(s.Tickets))
	l.take(s)
	l.mu.Unlock()
}

// Advance moves the position over offsets without records. If records are in flight, the gap
// belongs to the last slab; otherwise the watermark moves too.
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

// End returns the position after the newest record, gaps included.
func (l *Ledger) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.slabs); n > l.first {
		return l.slabs[n-1].next
	}
	return l.mark
}

// Span returns the distance from the watermark to the end, in offsets.
func (l *Ledger) Span() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	mark, _ := l.prefix()
	if n := len(l.slabs); n > l.first {
		return l.slabs[n-1].next - mark
	}
	return l.mark - mark
}

// Watermark returns the offset after the longest finished prefix.
func (l *Ledger) Watermark() int64 {
	offset, _ := l.Prefix()
	return offset
}

// Prefix returns the watermark and the number of records below it, which may be too low while
// something is set aside.
func (l *Ledger) Prefix() (offset, records int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	return l.prefix()
}

// prefix is Prefix after trim. The caller holds mu. The delivery number of the first unfinished
// record is how many are below.
func (l *Ledger) prefix() (offset, records int64) {
	offset, records = l.delivered()
	if l.floored || len(l.back) > 0 {
		if least := l.lowest(); least < offset {
			return least, 0
		}
	}
	return offset, records - l.aside
}

// delivered is prefix for what was appended. The caller holds mu.
func (l *Ledger) delivered() (offset, records int64) {
	if l.first == len(l.slabs) {
		return l.mark, l.total
	}
	s := l.slabs[l.first]
	for s.head < len(s.Tickets) && s.Tickets[s.head].Finished() {
		s.head++ // finished tickets stay finished
	}
	if s.head == 0 {
		return l.mark, s.Seq(0)
	}
	return s.upTo(s.head)
}

// Totals returns the numbers of records and bytes appended, the number of finished records, and the
// arrival time of the oldest unfinished one (zero: none).
func (l *Ledger) Totals() (records, bytes, finished int64, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := int64(0)
	for _, s := range l.inOrder() {
		if s.left.Load() == 0 && s.bad.Load() == 0 {
			continue
		}
		before := left
		for i := range s.Tickets {
			if !s.Tickets[i].Finished() {
				left++
			}
		}
		if before == 0 && left > 0 {
			oldest = s.arrived
		}
	}
	return l.total, l.fetched, l.total - l.aside - left, oldest
}

// trim removes finished slabs from the front. The caller holds mu.
func (l *Ledger) trim() {
	for l.first < len(l.slabs) {
		s := l.slabs[l.first]
		if s.left.Load() != 0 || s.bad.Load() != 0 {
			break
		}
		if s.released {
			l.released--
		} else {
			l.release(s)
		}
		l.mark = s.next
		l.slabs[l.first] = nil
		l.first++
	}
	if l.first > 64 && l.first*2 > len(l.slabs) {
		n := copy(l.slabs, l.slabs[l.first:])
		clear(l.slabs[n:])
		l.slabs = l.slabs[:n]
		l.first = 0
	}
}

// release releases the memory of a finished slab. The caller holds mu.
func (l *Ledger) release(s *Slab) {
	s.released = true
	l.records -= len(s.Tickets)
	l.leave(s)
	if l.Forget != nil {
		l.Forget(s.Payload)
	}
}

// finishedEarly releases a slab that has finished before older ones.
func (l *Ledger) finishedEarly(s *Slab) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.released || s.left.Load() != 0:
		return
	case s.bad.Load() != 0:
		if !s.listed {
			s.listed, l.waiting = true, append(l.waiting, s)
		}
		return
	}
	l.release(s)
	if s.inserted {
		at, _ := l.findInserted(s)
		l.back = slices.Delete(l.back, at, at+1)
		return
	}
	if l.released++; l.released > 64 && l.released*2 > len(l.slabs)-l.first {
		l.merge()
	}
}

// merge removes released slabs from the list; the slab before each ends where it did. The caller
// holds mu.
func (l *Ledger) merge() {
	l.trim()
	kept := l.slabs[:l.first]
	for _, s := range l.slabs[l.first:] {
		if !s.released {
			kept = append(kept, s)
			continue
		}
		before := kept[len(kept)-1] // the first slab is not finished after trim
		before.next = s.next
	}
	clear(l.slabs[len(kept):])
	l.slabs, l.released = kept, 0
}

// Held returns the numbers of records and bytes in slabs that are not released.
func (l *Ledger) Held() (records int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	return l.records, l.bytes
}

// Count returns the numbers of finished and unfinished records. It visits every slab.
func (l *Ledger) Count() (finished int64, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.inOrder() {
		bad := s.bad.Load() // before left, so that no record is counted in both
		left += int(bad + s.left.Load())
	}
	return l.total - l.aside - int64(left), left
}

// Idle returns the number of records that settled unfinished, and the bytes of the slabs in which
// no other record is unfinished. It visits every slab.
func (l *Ledger) Idle() (records int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.inOrder() {
		bad := int(s.bad.Load())
		records += bad
		if bad > 0 && s.left.Load() == 0 {
			bytes += s.memory.bytes
		}
	}
	return records, bytes
}

// AtRest reports whether every ticket has settled.
func (l *Ledger) AtRest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.inOrder() {
		if s.left.Load() != 0 {
			return false
		}
	}
	return true
}

// Unfinished yields the unfinished tickets as slab and index, oldest first; of those that Insert
// has brought back, by the offset where their slab begins.
func (l *Ledger) Unfinished(yield func(s *Slab, i int) bool) {
	l.mu.Lock()
	slabs := slices.Clone(l.inOrder())
	l.mu.Unlock()
	for _, s := range slabs {
		for i := range s.Tickets {
			if !s.Tickets[i].Finished() && !yield(s, i) {
				return
			}
		}
	}
}

// Frontier returns the highest offset whose record is finished, or has started (Begin) since it was
// appended or reopened; -1: none.
func (l *Ledger) Frontier() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range slices.Backward(l.slabs[l.first:]) {
		for i := len(s.Tickets) - 1; i >= 0; i-- {
			if st := s.Tickets[i].state.Load(); st&started != 0 || st&(holdsMask|abandoned) == 0 {
				return s.Offset(i)
			}
		}
	}
	return -1
}
