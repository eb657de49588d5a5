package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Every twentieth record is of a key of its own, which is parked.
func TestManyParks(t *testing.T) {
	const limit = 4096 - 37 // what a default broker stores beside the note of a topic id
	const records = 20_000
	begin := func() (*testLog, *work) {
		l, w := newLog(1), newWork()
		l.RefuseStates(limit)
		for i := range records {
			key, v := fmt.Sprint("a", i%20), fmt.Sprint("a", i)
			if i%20 == 0 {
				key, v = fmt.Sprint("p", i), fmt.Sprint("p", i)
				w.poison(v, errBoom)
			}
			l.Append(0, key, v)
		}
		return l, w
	}
	chain := func(w *work) stream.Stream[string] {
		return input.GroupByKey().Concurrent(4, w.do).ParkOnError().CommitEvery(1000, time.Second)
	}
	parked := func(w *work) (n int) {
		for _, v := range w.tried() {
			if strings.HasPrefix(v, "p") {
				n++
			}
		}
		return n
	}
	t.Run("are in the resume state, and more than fit are not read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), stream.BuildID("v1"))
			elapse(time.Minute)
			lanes := len(j.Halts())
			if lanes < 240 || lanes != parked(w) {
				t.Errorf("%d lanes are parked, and %d records tried of them, want 240 and more", lanes, parked(w))
			}
			s := j.Snapshot().Partitions[0]
			if s.Next == records || s.StateBytes > limit {
				t.Errorf("it was read up to %d of %d, with a state of %d bytes", s.Next, records, s.StateBytes)
			}
			if s.Full != stream.CauseResumeState {
				t.Errorf("it is full by %q", s.Full)
			}
			e := j.Explain(tp{Topic: "t"})
			if e.Cause != stream.CausePark || len(e.Also) != 1 || e.Also[0] != stream.CauseResumeState {
				t.Errorf("explained: %v", e)
			}
			must(t, j.stop())
			t.Logf("%d lanes, %d offsets, %d bytes", lanes, s.Next, s.StateBytes)
			for range 3 {
				j = start(t, l, chain(w), stream.BuildID("v1"))
				if again := len(j.Halts()); again != lanes || parked(w) != lanes {
					t.Errorf("%d lanes are parked after a restart, and %d records were tried, want %d", again, parked(w), lanes)
				}
				for _, h := range j.Halts() {
					read := h.Meta.Offset < j.Snapshot().Partitions[0].Next
					if !h.Restored || read && string(h.Meta.Key) != fmt.Sprint("p", h.Meta.Offset) {
						t.Fatalf("halt: %+v", h)
					}
				}
				must(t, j.stop())
			}
		})
	})
	t.Run("are released after a restart, and reading continues", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), stream.BuildID("v1"))
			elapse(time.Minute)
			must(t, j.stop())
			w2 := newWork()
			j = start(t, l, chain(w2), stream.BuildID("v1"))
			for _, h := range j.Halts() {
				must(t, j.Resume(h))
			}
			elapse(time.Minute)
			j.committed(records)
			if n := len(w.done()) + len(w2.done()); n != records {
				t.Errorf("%d records were handled, want %d", n, records)
			}
		})
	})
}
