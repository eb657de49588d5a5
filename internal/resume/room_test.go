package resume

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Everything fed within Room fits.
func TestRoom(t *testing.T) {
	const limit = 4096
	rng := rand.New(rand.NewPCG(1, 2))
	for _, stuck := range []int{0, 1, 3, 100, 700} {
		for _, pattern := range []string{"alternate", "random", "stuck at the front", "spread"} {
			t.Run(fmt.Sprintf("%d stuck, %s", stuck, pattern), func(t *testing.T) {
				b := Binding{Scope: "c/g", Topic: "orders", Partition: 1 << 30, Offset: math.MaxInt64 / 2}
				open := map[int64]bool{} // relative to the offset
				for i := range stuck {
					open[int64(i)*1000] = true
				}
				span := int64(stuck) * 1000
				for range 40 { // records finish in the worst pattern
					n := Room(limit, span, len(open), 0, -1)
					if n <= 0 {
						break
					}
					n = min(n, 4096)
					for i := range n {
						switch pattern {
						case "alternate":
							if i%2 == 0 {
								open[span+i] = true
							}
						case "random":
							if rng.IntN(2) == 0 {
								open[span+i] = true
							}
						case "spread":
							if rng.IntN(50) == 0 {
								open[span+i] = true
							}
						}
					}
					span += n
					var runs []Run
					for at := int64(0); at < span; at++ {
						if open[at] {
							continue
						}
						from := at
						for at < span && !open[at] {
							at++
						}
						runs = append(runs, Run{b.Offset + from, b.Offset + at})
					}
					if state, end := Encode(b, State{Finished: runs}, limit); end != math.MaxInt64 || len(state) > limit {
						t.Fatalf("with %d of %d unfinished the state is cut at %d of %d", len(open), span, end-b.Offset, span)
					}
					for at := range open { // half of them finish, and more are read
						if at >= int64(stuck)*1000 && rng.IntN(2) == 0 {
							delete(open, at)
						}
					}
				}
				if span < 20_000 {
					t.Errorf("only %d offsets were read", span)
				}
			})
		}
	}
	if n := Room(0, 0, 0, 0, -1); n > 0 {
		t.Errorf("room for %d offsets in a state of no bytes", n)
	}
	if n := Room(limit, 1_000_000, 700, 0, -1); n <= 0 {
		t.Error("700 unfinished records of a million leave no room")
	}
}
