package lane

import (
	"testing"

	"pgregory.net/rapid"
)

// The model is a map. Ids collide in their low bits, lanes come and go.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tb table
		model := map[uint64]*Lane{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := rapid.Uint64Range(0, 40).Draw(t, "id") << rapid.SampledFrom([]int{0, 3, 60}).Draw(t, "shift")
			switch {
			case rapid.IntRange(0, 19).Draw(t, "sweep") == 0:
				odd := func(l *Lane) bool { return l.ID%3 == 0 }
				tb.keep(odd)
				for id, l := range model {
					if !odd(l) {
						delete(model, id)
					}
				}
			case model[id] == nil:
				model[id] = &Lane{ID: id}
				tb.add(model[id])
			}
			if tb.n != len(model) {
				t.Fatalf("%d lanes, want %d", tb.n, len(model))
			}
			for id, l := range model {
				if tb.find(id) != l {
					t.Fatalf("lane %d is not found", id)
				}
			}
			if tb.find(41) != nil {
				t.Fatal("found a lane that was never added")
			}
		}
	})
}
