package stream_test

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestRetryReRunsThatStepAloneOnItsOwnInput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, first, second := newLog(1), newWork(), newWork().fail("a", errBoom, errBoom)
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.MapSerial(first.echo).Serial(second.do).RetryOnError(every(time.Second, 3))))
		elapse(time.Minute)
		same(t, "first step", first.tried(), []string{"a", "b"})
		same(t, "second step", second.tried(), []string{"a", "a", "a", "b"})
		j.committed(2)
		if got := heard[stream.Retrying](j); len(got) != 2 || got[0].Wait != time.Second || got[1].Attempts != 2 || got[0].Meta.Offset != 0 {
			t.Errorf("events: %v", got)
		}
	})
}

func TestRetryHoldsItsLane(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "b0", "a1", "b1")
		start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).RetryOnError(every(time.Second, 3))))
		same(t, "while a0 waits", w.done(), []string{"b0", "b1"})
		elapse(time.Second)
		same(t, "of key a", w.doneOf("a"), []string{"a0", "a1"})
	})
}

func TestWaitingRetryHoldsNoWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a", errBoom).fail("b", errBoom).fail("c", errBoom)
		put(l, 0, "a", "b", "c", "d", "e")
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).RetryOnError(every(time.Hour, 3))))
		same(t, "while three wait", w.done(), []string{"d", "e"})
		if s := j.Snapshot(); s.Retrying != 3 || s.Waiting != 3 {
			t.Errorf("%d retry, %d wait, want 3", s.Retrying, s.Waiting)
		}
		elapse(2 * time.Hour)
		j.committed(5)
		if w.peak() != 1 {
			t.Errorf("%d at a time, the degree is 1", w.peak())
		}
	})
}

func TestWaitingRetryInsideAFlatMapHoldsNoWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a2", errBoom)
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.GroupByKey().FlatMap(thrice).Concurrent(1, w.do).RetryOnError(every(time.Second, 3))))
		same(t, "while a2 waits", w.done(), []string{"a1", "b1", "b2", "b3"})
		elapse(time.Second)
		same(t, "of key a", w.doneOf("a"), []string{"a1", "a2", "a3"})
		j.committed(2)
	})
}

func TestMaxWaitingTurnsAnOutageIntoBackpressure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		vs := []string{}
		for _, k := range "abcdefghij" {
			w.fail(string(k), errBoom)
			vs = append(vs, string(k))
		}
		put(l, 0, vs...)
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).RetryOnError(every(time.Hour, 3))), stream.MaxWaiting(3))
		// Three waits hold no worker, two more hold theirs: then nothing is left to begin the sixth.
		if n := len(w.tried()); n != 5 {
			t.Errorf("%d begun, want 3 that wait without a worker and 2 that hold theirs", n)
		}
		elapse(10 * time.Hour)
		sameSet(t, "done", w.done(), vs)
		j.committed(10)
	})
}

func TestPermanentEndsRetrying(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", stream.Permanent(errBoom))
		put(l, 0, "a", "b")
		var seen []stream.Failure
		j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(every(time.Second, 5)).SkipOnError(stream.OnMatch(func(_ ctx, f stream.Failure) { seen = append(seen, f) }))))
		same(t, "tried", w.tried(), []string{"a", "b"})
		j.committed(2)
		if len(seen) != 1 || seen[0].Attempts != 1 || seen[0].Err.Error() != "boom" || !stream.IsPermanent(seen[0].Err) {
			t.Errorf("watched: %v", seen)
		}
	})
}

func TestRetryPolicyOfZeroTriesThreeTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", errBoom)
		put(l, 0, "a")
		began := time.Now()
		j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{}).SkipOnError()))
		must(t, l.WaitCommitted(t.Context(), 0, 1))
		same(t, "tried", w.tried(), []string{"a", "a", "a"})
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("took %v: the waits are drawn from up to 100 ms, then up to 200 ms", took)
		}
		for i, r := range heard[stream.Retrying](j) {
			if most := 100 * time.Millisecond << i; r.Wait > most {
				t.Errorf("wait %d is %v, at most %v", i+1, r.Wait, most)
			}
		}
	})
}
