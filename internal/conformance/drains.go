package conformance

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func drain(t *testing.T, b Backend) {
	l, w := b.Open(t, 2), newWork()
	fill(l, 2, 10)
	release := w.hold(at(0, 4))
	r := start(t, l, func(s messages) built { return s.GroupByPartition().Concurrent(2, w.do).CommitEvery(1000, 0) })
	w.awaitBegun(t, at(0, 4))
	w.until(t, "the other partition is done", func() bool { return len(w.done) == 14 })
	r.cancel()
	awaitEvent(r, "it drains", func(stream.Draining) bool { return true })
	select {
	case <-r.ended:
		t.Error("Run has returned, and a record is at work")
	default:
	}
	release()
	r.stop()
	if c0, c1 := l.Committed(0), l.Committed(1); c0 != 5 || c1 != 10 {
		t.Errorf("committed %d and %d, want 5 and 10", c0, c1)
	}
	next := newWork()
	r = start(t, l, func(s messages) built { return s.GroupByPartition().Concurrent(2, next.do).CommitEach() })
	next.awaitDone(t, 5)
	r.stop()
	next.once(t, 5)
	allCommitted(t, l, 2)
}

func drainTimeout(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 5)
	w.hold(at(0, 2))
	r := start(t, l, func(s messages) built { return s.Concurrent(8, w.do).CommitEvery(1000, 0) }, stream.DrainTimeout(100*time.Millisecond))
	w.awaitDone(t, 4)
	r.cancel()
	err := r.result()
	if !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), "@2") {
		t.Errorf("Run does not name what it left: %v", err)
	}
	if got := l.Committed(0); got != 2 {
		t.Errorf("committed %d, and 2 is not done", got)
	}
}
