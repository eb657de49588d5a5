package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Every twentieth record is of a key of its own, which is parked. The first of these is alone.
// Until one is parked, the state keeps no room for others, and all that is in flight may fail.
func TestManyParks(t *testing.T) {
	const limit = 4096 - 37 // what a default broker stores beside the note of a topic id
	const records = 20_000
	chain := func(w *work) stream.Stream[string] {
		return input.GroupByKey().Concurrent(4, w.do).ParkOnError().CommitEvery(1000, time.Second)
	}
	begin := func(t *testing.T) (*testLog, *work, *job) {
		l, w := newLog(1), newWork()
		l.RefuseStates(limit)
		j := start(t, l, chain(w), stream.BuildID("v1"))
		for i := range records {
			key, v := fmt.Sprint("a", i%20), fmt.Sprint("a", i)
			if i%20 == 0 {
				key, v = fmt.Sprint("p", i), fmt.Sprint("p", i)
				w.poison(v, errBoom)
			}
			if l.Append(0, key, v); i == 0 {
				elapse(time.Second)
			}
		}
		return l, w, j
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
			l, w, j := begin(t)
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
			next := s.Next
			for range 3 { // what is left of the space may do for some more
				j = start(t, l, chain(w), stream.BuildID("v1"))
				elapse(time.Minute)
				again := len(j.Halts())
				if again < lanes || parked(w) != again {
					t.Errorf("%d lanes are parked after a restart, and %d records were tried, want %d and as many", again, parked(w), lanes)
				}
				for _, h := range j.Halts() {
					read := h.Meta.Offset < j.Snapshot().Partitions[0].Next
					if read && string(h.Meta.Key) != fmt.Sprint("p", h.Meta.Offset) || !h.Restored && h.Meta.Offset < next {
						t.Fatalf("halt: %+v", h)
					}
				}
				lanes, next = again, max(next, j.Snapshot().Partitions[0].Next)
				must(t, j.stop())
			}
		})
	})
	t.Run("are released after a restart, and reading continues", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, j := begin(t)
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

// Parked lanes keep receiving: they are set aside, at once or hours later. The first lane is alone,
// as in TestManyParks.
func TestManyAsides(t *testing.T) {
	const limit = 4096 - 37 // as in TestManyParks
	const lanes = 240
	build := stream.BuildID("v1")
	chain := func(w *work) stream.Stream[string] {
		return input.GroupByKey().Concurrent(4, w.do).ParkOnError().CommitEvery(1000, time.Second)
	}
	begin := func() (*testLog, *work) {
		l := newLog(1)
		l.RefuseStates(limit)
		return l, newWork()
	}
	other := func(l *testLog, n int) {
		for range n {
			at := l.End(0)
			l.Append(0, fmt.Sprint("a", at%19), fmt.Sprint("a", at))
		}
	}
	// twenty appends a poison record, as many of its key as follow, and others up to twenty.
	twenty := func(l *testLog, w *work, lane, follow int) {
		key := fmt.Sprint("p", lane)
		w.poison(key, errBoom)
		l.Append(0, key, key)
		for i := range follow {
			l.Append(0, key, fmt.Sprint(key, ".", i+1))
		}
		other(l, 19-follow)
	}
	// firstAlone appends that many twenties, the first some time before the others.
	firstAlone := func(l *testLog, w *work, n, follow int) {
		for i := range n {
			if twenty(l, w, i, follow); i == 0 {
				elapse(time.Second)
			}
		}
	}
	aside := func(j *job) (n int) {
		for _, h := range j.Halts() {
			if h.Scope == stream.ScopeLane && h.AsideFrom > h.Meta.Offset {
				n++
			}
		}
		return n
	}
	// full checks a partition that is read no more, and that a restart repeats nothing.
	full := func(t *testing.T, l *testLog, w *work, j *job) {
		s := j.Snapshot().Partitions[0]
		all, parked := aside(j), len(j.Halts())
		t.Logf("%d lanes are parked, and %d of them set aside, within %d offsets, in %d characters", parked, all, s.Next, s.StateBytes)
		if all < lanes || s.SetAside != all {
			t.Errorf("%d lanes are set aside, want %d and more; snapshot: %d", all, lanes, s.SetAside)
		}
		if s.Full != stream.CauseResumeState || s.StateBytes > limit {
			t.Errorf("it is full by %q, with a state of %d characters", s.Full, s.StateBytes)
		}
		must(t, j.stop())
		j = start(t, l, chain(w), build)
		elapse(time.Minute)
		if len(j.Halts()) < parked || aside(j) < all {
			t.Errorf("after a restart %d lanes are parked, and %d are set aside, want %d and %d", len(j.Halts()), aside(j), parked, all)
		}
		must(t, j.stop())
		times := map[string]int{}
		for _, v := range w.tried() {
			if times[v]++; times[v] == 2 {
				t.Errorf("%s was handled again", v)
			}
		}
	}
	t.Run("are in the resume state, and more than fit are not read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), build)
			firstAlone(l, w, 400, 3)
			elapse(time.Minute)
			full(t, l, w, j)
		})
	})
	t.Run("are in the resume state if a key fails every minute, and its next records come hours later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), build)
			for i := range lanes {
				twenty(l, w, i, 0)
				elapse(time.Minute)
			}
			for n := range 2 {
				other(l, 20_000)
				for i := range lanes {
					key := fmt.Sprint("p", i)
					l.Append(0, key, fmt.Sprint(key, ".", n+1))
					other(l, 1)
				}
				elapse(time.Hour)
				if s := j.Snapshot().Partitions[0]; s.Full != stream.CauseNone || s.Next != l.End(0) {
					t.Errorf("%d lanes are set aside, and it is read up to %d of %d: %q", aside(j), s.Next, l.End(0), s.Full)
				}
				must(t, j.stop())
				j = start(t, l, chain(w), build)
			}
			for i := range lanes {
				twenty(l, w, lanes+i, 3)
			}
			elapse(time.Minute)
			full(t, l, w, j)
		})
	})
	t.Run("are set aside once what was in flight leaves space for them", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), build)
			firstAlone(l, w, 290, 0)
			elapse(time.Minute)
			for i := range 100 { // in three lanes, so that one worker is free
				key := fmt.Sprint("a", max(0, i-97))
				v := fmt.Sprint("slow", i)
				w.hold(v)
				l.Append(0, key, v)
			}
			elapse(time.Second)
			const receiving = 100
			for i := range receiving {
				key := fmt.Sprint("p", i)
				l.Append(0, key, key+".1")
			}
			elapse(time.Minute)
			w.release()
			elapse(time.Minute)
			if n := aside(j); n != receiving {
				t.Errorf("%d lanes are set aside, want %d", n, receiving)
			}
			must(t, j.stop())
		})
	})
	t.Run("are read in order after a restart, once they are released", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := begin()
			j := start(t, l, chain(w), build)
			firstAlone(l, w, 400, 3)
			elapse(time.Minute)
			must(t, j.stop())
			w2 := newWork()
			j = start(t, l, chain(w2), build)
			for _, h := range j.Halts() {
				must(t, j.Resume(h))
			}
			elapse(time.Minute)
			j.committed(l.End(0))
			for i := range 400 {
				key := fmt.Sprint("p", i)
				var of []string
				for _, v := range w2.done() {
					if k, _, _ := strings.Cut(v, "."); k == key {
						of = append(of, v)
					}
				}
				same(t, key, of, []string{key, key + ".1", key + ".2", key + ".3"})
			}
		})
	})
}
