package ledger

import (
	"cmp"
	"slices"
)

// Span is a range of offsets, From <= offset < To.
type Span struct{ From, To int64 }

// Holes appends the spans of unfinished offsets, in order. Every other record from the watermark to
// end, the position after the newest record, is finished. finished counts those records and all
// below. It does not look at the tickets of a slab in which nothing has finished.
func (l *Ledger) Holes(holes []Span) (mark, finished int64, all []Span, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	end = l.mark
	if n := len(l.slabs); n > l.first {
		end = l.slabs[n-1].next
	}
	left := 0
	for _, s := range l.inOrder() {
		switch unsettled, bad, n := int(s.left.Load()), int(s.bad.Load()), len(s.Tickets); {
		case unsettled == 0 && bad == 0:
		case (unsettled == n || bad == n) && int(s.Tickets[n-1].delta) == n-1: // all of them, and no gap between
			holes = hole(holes, s.base, s.base+int64(n))
			left += n
		default:
			for i := range s.Tickets {
				if !s.Tickets[i].Finished() {
					holes = hole(holes, s.Offset(i), s.Offset(i)+1)
					left++
				}
			}
		}
	}
	if len(l.back) > 0 { // they lie between those of other slabs
		slices.SortFunc(holes, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	}
	finished = l.total - l.aside - int64(left)
	// computed after visiting the tickets: one that finishes in between is no hole below the
	// watermark
	mark, _ = l.prefix()
	below := 0
	for below < len(holes) && holes[below].To <= mark {
		below++
	}
	if holes = slices.Delete(holes, 0, below); len(holes) > 0 {
		holes[0].From = max(holes[0].From, mark)
	}
	return mark, finished, holes, end
}

// hole appends a span, or extends the last one up to it.
func hole(all []Span, from, to int64) []Span {
	if n := len(all); n > 0 && all[n-1].To == from {
		all[n-1].To = to
		return all
	}
	return append(all, Span{from, to})
}
