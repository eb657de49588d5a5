package ledger

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Records leave the ledger and come back in any order. The watermark passes none of them, and the
// counts are those of a ledger in which they had stayed.
func TestSetAside(t *testing.T) {
	type record struct {
		s                     *Slab
		i                     int32
		finished, aside, seen bool
	}
	rapid.Check(t, func(t *rapid.T) {
		l := &Ledger{Rest: func() {}, OutOfOrder: true}
		l.Start(0)
		var all []*record
		floor := func() {
			least := int64(math.MaxInt64)
			if i := slices.IndexFunc(all, func(r *record) bool { return r.aside }); i >= 0 {
				least = int64(i)
			}
			l.Floor(least)
		}
		t.Repeat(map[string]func(*rapid.T){
			"feed": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				at := len(all)
				s := NewSlab(n, int64(at+n), 1, nil)
				for i := range n {
					s.SetOffset(i, int64(at+i))
					all = append(all, &record{s: s, i: int32(i), seen: true})
				}
				l.Append(s)
			},
			"leave out": func(t *rapid.T) {
				all = append(all, &record{aside: true})
				floor()
				l.Advance(int64(len(all)))
			},
			"finish or set aside": func(t *rapid.T) {
				if len(all) == 0 {
					return
				}
				r := rapid.SampledFrom(all).Draw(t, "record")
				switch {
				case r.finished || r.aside:
				case rapid.Bool().Draw(t, "finish"):
					r.finished = true
					r.s.Done(r.i)
				default:
					r.s.Drop(r.i)
					r.aside = true
					floor()
					r.s.SetAside(r.i)
				}
			},
			"bring back": func(t *rapid.T) {
				i := slices.IndexFunc(all, func(r *record) bool { return r.aside })
				if i < 0 || rapid.Bool().Draw(t, "another") {
					i = len(all) - 1
				}
				if i < 0 || !all[i].aside {
					return
				}
				s := NewSlab(1, 0, 1, nil)
				s.SetOffset(0, int64(i))
				l.Insert(s, all[i].seen)
				all[i] = &record{s: s, seen: true}
				floor()
			},
			"": func(t *rapid.T) {
				mark, end := int64(len(all)), int64(len(all))
				var holes []int64
				var total, finished int64
				for i, r := range slices.Backward(all) {
					if !r.finished {
						mark = int64(i)
					}
					if r.seen {
						total++
					}
					switch {
					case r.finished:
						finished++
					case !r.aside:
						holes = append(holes, int64(i))
					}
				}
				slices.Reverse(holes)
				if got := l.Watermark(); got != mark {
					t.Fatalf("the watermark is %d, want %d", got, mark)
				}
				at, n, got, last := holesOf(l)
				if at != mark || n != finished || last != end || !slices.Equal(got, holes) {
					t.Fatalf("holes %v from %d to %d, %d finished; want %v from %d to %d, %d", got, at, last, n, holes, mark, end, finished)
				}
				if n, left := l.Count(); n != finished || left != len(holes) {
					t.Fatalf("%d finished and %d not, want %d and %d", n, left, finished, len(holes))
				}
				if records, _, n, _ := l.Totals(); records != total || n != finished {
					t.Fatalf("%d delivered and %d finished, want %d and %d", records, n, total, finished)
				}
				if got := l.Span(); got != end-mark {
					t.Fatalf("a span of %d, want %d", got, end-mark)
				}
				var offsets []int64
				for s, i := range l.Unfinished {
					offsets = append(offsets, s.Offset(i))
				}
				slices.Sort(offsets) // slabs are in order, and one that came back may lie within another
				if !slices.Equal(offsets, holes) {
					t.Fatalf("%v are unfinished, want %v", offsets, holes)
				}
			},
		})
	})
}
