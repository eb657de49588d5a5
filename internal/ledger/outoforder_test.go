package ledger

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// One record that never finishes costs only its own slab, however many records finish above it.
func TestOutOfOrder(t *testing.T) {
	const slabs, size = 20_000, 3
	rng := rand.New(rand.NewPCG(1, 2))
	forgot := 0
	l := &Ledger{Rest: func() {}, OutOfOrder: true, Forget: func(any) { forgot++ }}
	l.Start(100)
	var all []*Slab
	for i := range slabs {
		next := int64(100 + (i+1)*size*2)
		s := NewSlab(size, next, 10, i)
		for j := range size {
			s.SetOffset(j, next-int64(2*(size-j)))
		}
		l.Append(s)
		all = append(all, s)
	}
	stuck := []int{0, 700, slabs / 2, slabs - 1}
	order := rng.Perm(slabs)
	for n, i := range order {
		for j := range int32(size) {
			if j != 1 || !slices.Contains(stuck, i) {
				all[i].Done(j)
			}
		}
		if n%1000 == 0 { // read the watermark now and then
			l.Watermark()
		}
	}
	if got := len(l.slabs) - l.first; got > len(stuck)+150 {
		t.Errorf("%d slabs are kept for %d unfinished records", got, len(stuck))
	}
	if forgot != slabs-len(stuck) {
		t.Errorf("%d slabs were forgotten, want %d", forgot, slabs-len(stuck))
	}
	records, bytes := l.Held()
	if records != size*len(stuck) || bytes != int64(10*len(stuck)) {
		t.Errorf("%d records and %d bytes are held", records, bytes)
	}
	var want []int64
	for _, i := range stuck {
		want = append(want, all[i].Offset(1))
	}
	mark, finished, holes, end := holesOf(l)
	if mark != 101 || end != 100+slabs*size*2 || !slices.Equal(holes, want) || finished != int64(slabs*size-len(stuck)) {
		t.Errorf("holes %v from %d to %d, %d finished", holes, mark, end, finished)
	}
	for k, i := range stuck {
		all[i].Done(1)
		mark, records := l.Prefix()
		wantMark, wantRecords := int64(100+slabs*size*2), int64(slabs*size)
		if k+1 < len(stuck) {
			wantMark, wantRecords = all[stuck[k+1]].Offset(0)+1, int64(stuck[k+1]*size+1)
		}
		if mark != wantMark || records != wantRecords {
			t.Errorf("the watermark is %d with %d records below, want %d with %d", mark, records, wantMark, wantRecords)
		}
	}
	if n, bytes := l.Held(); n != 0 || bytes != 0 {
		t.Errorf("%d records and %d bytes are held", n, bytes)
	}
}
