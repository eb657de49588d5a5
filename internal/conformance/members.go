package conformance

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func members(t *testing.T, b Backend) {
	l, w := b.Open(t, 4), newWork()
	c := func(s messages) built { return s.GroupByKey().Concurrent(8, w.do).CommitEvery(50, 20*time.Millisecond) }
	fill(l, 4, 25)
	first := start(t, l, c)
	w.awaitDone(t, 100)
	second := start(t, l, c)
	fill(l, 4, 25) // during the rebalance
	first.awaitOwned(2)
	second.awaitOwned(2)
	fill(l, 4, 25)
	w.awaitDone(t, 300)
	first.stop()
	second.awaitOwned(4)
	fill(l, 4, 25)
	w.awaitDone(t, 400)
	second.stop()
	w.once(t, 400)
	allCommitted(t, l, 4)
}

// Every partition has a started record when another member joins. The partitions that move must
// wait for theirs, and the others must not be interrupted.
func revoked(t *testing.T, b Backend) {
	l, w := b.Open(t, 4), newWork()
	fill(l, 4, 20)
	var release []func()
	for p := range 4 {
		release = append(release, w.hold(at(p, 3)))
	}
	c := func(s messages) built {
		return s.GroupByPartition().Concurrent(4, w.do).CommitEvery(1000, 0, stream.ByCountOnly())
	}
	first := start(t, l, c)
	for p := range 4 {
		w.awaitStarted(t, at(p, 3))
	}
	second := start(t, l, c)
	first.awaitState("two partitions drain", func() (n bool) {
		draining := 0
		for _, s := range first.Snapshot().Partitions {
			if s.State == stream.StateDraining {
				draining++
			}
		}
		return draining == 2
	})
	for p := range 4 {
		if got := l.Committed(p); got >= 4 {
			t.Errorf("partition %d: committed %d, but 3 has not finished", p, got)
		}
		release[p]()
	}
	first.awaitOwned(2)
	second.awaitOwned(2)
	w.awaitDone(t, 80)
	first.stop()
	second.stop()
	w.once(t, 80)
	for p := range 4 {
		if got := w.of(p); got[3] != 3 {
			t.Errorf("partition %d finished in the order %v", p, got)
		}
	}
	allCommitted(t, l, 4)
}
