package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func everythingOnce(t *testing.T, b Backend) {
	l, w := b.Open(t, 4), newWork()
	fill(l, 4, 100)
	r := start(t, l, func(s messages) built { return s.Concurrent(8, w.do).CommitEvery(50, 20*time.Millisecond) })
	w.awaitDone(t, 400)
	r.stop()
	w.once(t, 400)
	allCommitted(t, l, 4)
}

func partitionOrder(t *testing.T, b Backend) {
	l, w := b.Open(t, 3), newWork()
	fill(l, 3, 100)
	r := start(t, l, func(s messages) built { return s.GroupByPartition().Concurrent(3, w.do).CommitEach() })
	w.awaitDone(t, 300)
	r.stop()
	for p := range 3 {
		if got := w.of(p); !slices.IsSorted(got) || len(got) != 100 {
			t.Errorf("partition %d finished in the order %v", p, got)
		}
	}
	allCommitted(t, l, 3)
}

func keyOrder(t *testing.T, b Backend) {
	l, w := b.Open(t, 2), newWork()
	fill(l, 2, 200)
	slow := w.hold(at(0, 3)) // the key of offsets 3, 10, 17 …
	r := start(t, l, func(s messages) built {
		return s.GroupByKey().Concurrent(16, w.do).CommitEvery(50, 20*time.Millisecond)
	})
	w.until(t, "the other keys finish", func() bool { return len(w.done) == 400-len(keyOf(3, 200)) })
	slow()
	w.awaitDone(t, 400)
	r.stop()
	last := map[string]int64{}
	for _, p := range w.done {
		k := w.keys[p]
		if before, ok := last[k]; ok && before >= p.offset {
			t.Errorf("key %s: %d finished after %d", k, p.offset, before)
		}
		last[k] = p.offset
	}
	allCommitted(t, l, 2)
}

// keyOf returns the offsets, of n written by fill, with the same key as offset.
func keyOf(offset, n int64) (same []int64) {
	for o := offset % 7; o < n; o += 7 {
		same = append(same, o)
	}
	return same
}

func resumes(t *testing.T, b Backend) {
	l := b.Open(t, 2)
	for round := range 3 {
		fill(l, 2, 20)
		w := newWork()
		r := start(t, l, func(s messages) built { return s.Serial(w.do).CommitEvery(1000, 0, stream.ByCountOnly()) })
		w.awaitDone(t, 40)
		r.stop()
		w.once(t, 40)
		for p := range 2 {
			if got := w.of(p); len(got) == 0 || got[0] != int64(20*round) {
				t.Errorf("round %d, partition %d: finished %v", round, p, got)
			}
		}
		allCommitted(t, l, 2)
	}
}

func ready(t *testing.T, b Backend) {
	l, w := b.Open(t, 2), newWork()
	release := w.hold(at(0, 0))
	r := start(t, l, func(s messages) built { return s.Concurrent(4, w.do).CommitEach() })
	r.awaitOwned(2)
	if err := r.Ready(); err != nil {
		t.Errorf("not ready with its partitions: %v", err)
	}
	fill(l, 2, 1)
	w.awaitStarted(t, at(0, 0))
	r.cancel()
	awaitEvent(r, "it drains", func(stream.Draining) bool { return true })
	if r.Ready() == nil {
		t.Error("ready while draining")
	}
	release()
	r.stop()
	if r.Ready() == nil {
		t.Error("ready after its end")
	}
	if err := r.Live(); err != nil {
		t.Errorf("not live after a successful end: %v", err)
	}
}
