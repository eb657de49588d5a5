package conformance

import (
	"fmt"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/stream"
)

// setAside parks a key that has many more records than may stay in memory.
func setAside(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	add := func(n int) {
		for i := range n {
			l.Append(0, "hot", fmt.Sprint(i))
			l.Append(0, "cold", fmt.Sprint(i))
		}
	}
	hot := func() (offsets []int64) {
		for _, off := range w.of(0) {
			if off%2 == 0 {
				offsets = append(offsets, off)
			}
		}
		return offsets
	}
	w.fail(at(0, 0), errBroken)
	add(300)
	chain := func(s messages) built { return s.GroupByKey().Concurrent(4, w.do).ParkOnError().CommitEach() }
	r := start(t, l, chain, stream.MaxInFlight(32), stream.BuildID("same"))
	w.awaitDone(t, 300)
	awaitEvent(r, "the lane is set aside", func(e stream.SourceEvent) bool { return e.Name == "lane set aside" })
	if s := r.state(0); s.InFlight > 32/8+1 || s.SetAside != 1 || s.SetAsideFrom < 2 || len(hot()) > 0 {
		t.Errorf("%d in flight, %d lanes set aside from %d on, done of the parked key: %v", s.InFlight, s.SetAside, s.SetAsideFrom, hot())
	}
	r.stop()
	add(5)
	r = start(t, l, chain, stream.MaxInFlight(32), stream.BuildID("same"))
	w.awaitDone(t, 305)
	hs := r.Halts()
	if len(hs) != 1 || hs[0].AsideFrom < 2 {
		t.Fatalf("halts after a restart: %v", hs)
	}
	w.fail(at(0, 0), nil)
	if err := r.Resume(hs[0]); err != nil {
		t.Fatal(err)
	}
	w.awaitDone(t, 610)
	r.awaitCommitted(0, l.End(0))
	add(1)
	w.awaitDone(t, 612)
	r.stop()
	w.once(t, 612)
	if got := hot(); !slices.IsSorted(got) {
		t.Errorf("finished in the order %v", got)
	}
	allCommitted(t, l, 1)
}
