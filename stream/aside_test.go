package stream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// mixed appends n records each of key a and b, in turns, from a number on.
func mixed(l *testLog, from, n int) {
	for i := range n {
		put(l, 0, fmt.Sprint("a", from+i), fmt.Sprint("b", from+i))
	}
}

// numbered is n values of a key from a number on.
func numbered(key string, from, n int) []string { return count(key, from+n)[from:] }

func TestSetAside(t *testing.T) {
	const n = 3000
	build := stream.BuildID("v1")
	few := stream.MaxInFlight(64)
	byKey := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError())
	}
	t.Run("keeps a lane out of memory, and reads it in order after Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n))
			same(t, "b", w.doneOf("b"), nil)
			s := j.Snapshot().Partitions[0]
			if s.InFlight > 64/8+1 || s.Full != stream.CauseNone || s.Watermark != 1 {
				t.Errorf("snapshot: %+v", s)
			}
			if len(l.State(0)) > 200 {
				t.Errorf("the state has %d bytes", len(l.State(0)))
			}
			must(t, j.Resume(j.halt()))
			mixed(l, n, 10)
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n+10))
			if got := len(w.tried()); got != 2*(n+10)+1 {
				t.Errorf("%d calls, want %d", got, 2*(n+10)+1)
			}
			must(t, j.stop())
			j.committed(2 * (n + 10))
		})
	})
	t.Run("drops what a lane has in memory beyond its share", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			fail := w.hold("b0")
			put(l, 0, count("b", n)...)
			put(l, 0, "a0")
			j := start(t, l, byKey(w), few) // b has all of MaxInFlight
			fail()
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), []string{"a0"})
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			if s := j.Snapshot().Partitions[0].Totals; s.Delivered != n+1 || s.Finished != n+1 {
				t.Errorf("totals: %+v", s)
			}
			must(t, j.stop())
			j.committed(n + 1)
		})
	})
	t.Run("goes on behind the record after Skip", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			must(t, j.Skip(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), numbered("b", 1, n-1))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("stops reading a lane that is parked again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom).fail("b1500", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", 1500))
			if s := j.Snapshot().Partitions[0]; s.InFlight > 64/8+64 {
				t.Errorf("snapshot: %+v", s)
			}
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("survives a restart of the same build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			mixed(l, n, 10)
			j = start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n+10))
			same(t, "b", w.doneOf("b"), nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n+10))
			if got := len(w.tried()); got != 2*(n+10)+1 {
				t.Errorf("%d calls, want %d", got, 2*(n+10)+1)
			}
			must(t, j.stop())
			j.committed(2 * (n + 10))
		})
	})
	t.Run("is read by another build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			j = start(t, l, byKey(w), few, stream.BuildID("v2"))
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), count("a", n))
			same(t, "b", w.doneOf("b"), count("b", n))
			must(t, j.stop())
			j.committed(2 * n)
		})
	})
	t.Run("survives crashes while it is read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			j := start(t, l, byKey(w), few, build)
			elapse(time.Minute)
			must(t, j.stop())
			w.takes = time.Millisecond
			for range 5 {
				j = join(t, l, byKey(w), few, stream.BuildID("v2"))
				must(t, j.member.Assign(0))
				elapse(200 * time.Millisecond)
				j.member.Crash()
				<-j.ended
			}
			start(t, l, byKey(w), few, stream.BuildID("v2"))
			elapse(time.Minute)
			got := w.doneOf("b")
			if len(got) > n+10 {
				t.Errorf("%d of b are done, of which %d are repeated", len(got), len(got)-n)
			}
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			sameSet(t, "b", slices.Compact(got), count("b", n))
			committed(t, l, 2*n)
		})
	})
	t.Run("is finished before an exhausted source ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			mixed(l, 0, n)
			l.Finish()
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError(stream.ResumeAfter(time.Minute))), few)
			elapse(time.Hour)
			must(t, j.wait())
			same(t, "b", w.doneOf("b"), count("b", n))
			j.committed(2 * n)
		})
	})
}
