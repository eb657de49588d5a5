package conformance

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

var errBroken = errors.New("broken")

func halted(skip bool) func(*testing.T, Backend) {
	return func(t *testing.T, b Backend) {
		l, w := b.Open(t, 2), newWork()
		fill(l, 2, 20)
		w.fail(at(0, 3), errBroken)
		r := start(t, l, func(s messages) built { return s.GroupByKey().Concurrent(4, w.do).HaltOnError().CommitEach() }, stream.MaxInFlight(10))
		awaitEvent(r, "the partition halts", func(e stream.Halted) bool { return e.Meta.Partition == 0 && e.Meta.Offset == 3 })
		w.until(t, "the other partition finishes", func() bool {
			n := 0
			for _, p := range w.done {
				n += p.partition
			}
			return n == 20
		})
		r.awaitCommitted(1, 20)
		if err := stream.EveryPartition(r.Snapshot()); err == nil || !strings.Contains(err.Error(), "@3") {
			t.Errorf("EveryPartition does not name the halt: %v", err)
		}
		if err := r.Ready(); err != nil {
			t.Errorf("not ready with one halted partition: %v", err)
		}
		if got := l.Committed(0); got > 3 {
			t.Errorf("committed %d, but 3 has not finished", got)
		}
		hs := r.Halts()
		if len(hs) != 1 {
			t.Fatalf("halts: %v", hs)
		}
		proceed, done := r.Resume, 40
		if skip {
			proceed, done = r.Skip, 39
		} else {
			w.fail(at(0, 3), nil)
		}
		if err := proceed(hs[0]); err != nil {
			t.Fatal(err)
		}
		w.awaitDone(t, done)
		r.awaitCommitted(0, 20)
		if err := r.Ready(); err != nil {
			t.Errorf("not ready after it continued: %v", err)
		}
		r.stop()
		w.once(t, done)
		allCommitted(t, l, 2)
	}
}

func retry(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 14) // keys 0…6, two records each
	w.fail(at(0, 0), errBroken)
	r := start(t, l, func(s messages) built {
		return s.GroupByKey().Concurrent(1, w.do).RetryOnError(stream.RetryPolicy{MaxAttempts: 1000, Wait: func(stream.Failure) time.Duration { return 10 * time.Millisecond }}).
			FailOnError().CommitEach()
	})
	// the others, one at a time; the failed record's key has another record, which must wait too
	w.awaitDone(t, 12)
	if n := w.times(at(0, 7)); n != 0 {
		t.Error("a record overtook an earlier one in its lane that waits for its retry")
	}
	w.fail(at(0, 0), nil)
	w.awaitDone(t, 14)
	r.awaitCommitted(0, 14)
	r.stop()
	w.once(t, 14)
	allCommitted(t, l, 1)
}

func budget(t *testing.T, b Backend) {
	l, w := b.Open(t, 2), newWork()
	fill(l, 2, 200)
	release := w.hold(at(0, 0))
	// without a state, MaxInFlight bounds the records above the watermark
	r := start(t, l, func(s messages) built { return s.Concurrent(16, w.do).CommitEach() }, stream.MaxInFlight(8), stream.MaxFinishedAhead(0))
	w.until(t, "the other partition finishes, and this one reaches its budget", func() bool { return len(w.done) >= 200+7 })
	r.awaitCommitted(1, 200)
	if s := r.state(0); s.InFlight > 8 || s.Next > 8 {
		t.Errorf("%d in flight, read up to %d, MaxInFlight is 8", s.InFlight, s.Next)
	}
	if got := w.of(0); len(got) != 7 {
		t.Errorf("finished after the stuck record: %v", got)
	}
	release()
	w.awaitDone(t, 400)
	r.stop()
	w.once(t, 400)
	allCommitted(t, l, 2)
}
