package ledger

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Slab is a run of delivered records: the unit in which they come and in which they are forgotten.
type Slab struct {
	Tickets []Ticket
	Payload any // what the records are; dropped with the slab

	left  atomic.Int32 // tickets not at rest
	bad   atomic.Int32 // tickets at rest but unfinished
	next  int64        // position behind the slab, gaps included
	bytes int64
	base  int64 // the first offset
	seq   int64 // of the first record, in the order of delivery
	came  time.Time
	led   *Ledger

	// guarded by Ledger.mu
	head  int // Tickets[:head] are finished
	count int // records that the watermark passes with this slab: its own, and those of slabs
	// behind it that have gone before it
	gone bool // forgotten
}

// Ledger is the delivered records of one assignment, from the watermark to the fetch position.
type Ledger struct {
	// Rest is called, without a lock, each time the last ticket of a slab comes to rest.
	Rest func()
	// Finished, where set, is called without a lock for each record that is finished.
	Finished func()
	// Forget, where set, is called with the payload of a slab that is done with, under the ledger's
	// lock: it must be short.
	Forget func(payload any)
	// Watched is called without a lock when a ticket that was given to Watch comes to rest.
	Watched func(t *Ticket, finished bool)
	// OutOfOrder has a finished slab forgotten wherever it lies. Without it a slab is forgotten once
	// the watermark has passed it.
	OutOfOrder bool

	mu      sync.Mutex // guards what follows; a leaf: nothing is called under it
	slabs   []*Slab    // oldest first
	first   int        // slabs[:first] are done with
	gone    int        // of the others, how many are forgotten
	mark    int64      // the watermark as far as whole slabs go
	above   int        // records from there on
	records int        // of slabs that are not forgotten
	bytes   int64
	total   int64 // records ever appended
	fetched int64 // bytes ever appended
}

// Start sets the watermark of an empty ledger.
func (l *Ledger) Start(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark = offset
}

// NewSlab returns a slab of n tickets with one hold each. Set their Offsets, then Append it.
func NewSlab(n int, next, bytes int64, payload any) *Slab {
	s := &Slab{Tickets: make([]Ticket, n), Payload: payload, next: next, bytes: bytes}
	for i := range s.Tickets {
		s.Tickets[i].state.Store(1)
	}
	s.left.Store(int32(n))
	return s
}

// MaxSpan is how far the last offset of a slab may lie behind its first.
const MaxSpan = math.MaxUint32

// SetOffset says which record ticket i stands for; the first one first.
func (s *Slab) SetOffset(i int, offset int64) {
	if i == 0 {
		s.base = offset
	}
	s.Tickets[i].delta = uint32(offset - s.base)
}

// Seq is the place of ticket i in the order of delivery, without gaps.
func (s *Slab) Seq(i int) int64 { return s.seq + int64(i) }

// Offset is what SetOffset was told.
func (s *Slab) Offset(i int) int64 { return s.base + int64(s.Tickets[i].delta) }

// Came is when the slab was appended.
func (s *Slab) Came() time.Time { return s.came }

// Append adds delivered records behind all earlier ones.
func (l *Ledger) Append(s *Slab) {
	s.led, s.came, s.count = l, time.Now(), len(s.Tickets)
	l.mu.Lock()
	s.seq = l.total
	l.slabs = append(l.slabs, s)
	l.above += len(s.Tickets)
	l.records += len(s.Tickets)
	l.bytes += s.bytes
	l.total += int64(len(s.Tickets))
	l.fetched += s.bytes
	l.mu.Unlock()
}

// Advance moves the watermark over offsets without records, where nothing is in flight. Behind
// records, the gap counts with their slab.
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

// End is the position behind the newest record, gaps included.
func (l *Ledger) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.slabs); n > l.first {
		return l.slabs[n-1].next
	}
	return l.mark
}

// Span is how far the newest record lies above the watermark, in offsets.
func (l *Ledger) Span() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	mark, _ := l.prefix()
	if n := len(l.slabs); n > l.first {
		return l.slabs[n-1].next - mark
	}
	return 0
}

// Watermark is the offset behind the longest finished prefix.
func (l *Ledger) Watermark() int64 {
	offset, _ := l.Prefix()
	return offset
}

// Prefix is the watermark, and how many records lie below it.
func (l *Ledger) Prefix() (offset, records int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	return l.prefix()
}

// prefix is Prefix of a ledger that has forgotten what it can. The caller holds mu.
func (l *Ledger) prefix() (offset, records int64) {
	below := l.total - int64(l.above)
	if l.first == len(l.slabs) {
		return l.mark, below
	}
	s := l.slabs[l.first]
	for s.head < len(s.Tickets) && s.Tickets[s.head].Finished() {
		s.head++ // what is finished stays so
	}
	if s.head == 0 {
		return l.mark, below
	}
	return s.Offset(s.head-1) + 1, below + int64(s.head)
}

// Totals is how many records and bytes were appended, how many of the records are finished, and
// when the oldest unfinished one came (zero: there is none).
func (l *Ledger) Totals() (records, bytes, finished int64, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := int64(0)
	for _, s := range l.slabs[l.first:] {
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
			oldest = s.came
		}
	}
	return l.total, l.fetched, l.total - left, oldest
}

// forget drops finished slabs from the front. The caller holds mu.
func (l *Ledger) forget() {
	for l.first < len(l.slabs) {
		s := l.slabs[l.first]
		if s.left.Load() != 0 || s.bad.Load() != 0 {
			break
		}
		if s.gone {
			l.gone--
		} else {
			l.drop(s)
		}
		l.mark = s.next
		l.above -= s.count
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

// drop gives up what a finished slab keeps. The caller holds mu.
func (l *Ledger) drop(s *Slab) {
	s.gone = true
	l.records -= len(s.Tickets)
	l.bytes -= s.bytes
	if l.Forget != nil {
		l.Forget(s.Payload)
	}
}

// settled drops a slab that has finished before older ones have.
func (l *Ledger) settled(s *Slab) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.gone || s.left.Load() != 0 || s.bad.Load() != 0 {
		return
	}
	l.drop(s)
	if l.gone++; l.gone > 64 && l.gone*2 > len(l.slabs)-l.first {
		l.merge()
	}
}

// merge takes forgotten slabs out of the list: the one before each stands for its records, too. The
// caller holds mu.
func (l *Ledger) merge() {
	l.forget()
	kept := l.slabs[:l.first]
	for _, s := range l.slabs[l.first:] {
		if !s.gone {
			kept = append(kept, s)
			continue
		}
		before := kept[len(kept)-1] // the first slab is not finished: see forget
		before.next, before.count = s.next, before.count+s.count
	}
	clear(l.slabs[len(kept):])
	l.slabs, l.gone = kept, 0
}

// Held is how many records, and how many bytes of payload, slabs keep that are not finished.
func (l *Ledger) Held() (records int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	return l.records, l.bytes
}

// Count is how many records are finished, and how many are not. It looks at every slab.
func (l *Ledger) Count() (finished int64, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.slabs[l.first:] {
		left += int(s.left.Load() + s.bad.Load())
	}
	return l.total - int64(left), left
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

// Holes appends the offsets that are not finished, in order. Everything else from the watermark to
// end, the fetch position as far as records go, is finished: finished counts those records, and all
// below.
func (l *Ledger) Holes(holes []int64) (mark, finished int64, all []int64, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	end = l.mark
	for _, s := range l.slabs[l.first:] {
		end = s.next
		if s.left.Load() == 0 && s.bad.Load() == 0 {
			continue
		}
		for i := range s.Tickets {
			if !s.Tickets[i].Finished() {
				holes = append(holes, s.Offset(i))
			}
		}
	}
	finished = l.total - int64(len(holes))
	// after the look at the tickets: what finishes in between is no hole below the watermark
	mark, _ = l.prefix()
	for len(holes) > 0 && holes[0] < mark {
		holes = holes[1:]
	}
	return mark, finished, holes, end
}

// Unfinished returns the tickets that are not finished, oldest first, with their slabs' payload and
// their index in it.
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

// Frontier is the highest offset that is finished, or that Begin was told of since it was appended
// or reopened; -1: none.
func (l *Ledger) Frontier() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range slices.Backward(l.slabs[l.first:]) {
		for i := len(s.Tickets) - 1; i >= 0; i-- {
			if st := s.Tickets[i].state.Load(); st&begun != 0 || st&(holdsMask|abandoned) == 0 {
				return s.Offset(i)
			}
		}
	}
	return -1
}
