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
	r := start(t, l, func(s messages) built {
		return s.GroupByPartition().Concurrent(2, w.do).CommitEvery(1000, 0, stream.ByCountOnly())
	})
	w.awaitStarted(t, at(0, 4))
	w.until(t, "the other partition finishes", func() bool { return len(w.done) == 14 })
	r.cancel()
	awaitEvent(r, "it drains", func(stream.Draining) bool { return true })
	select {
	case <-r.ended:
		t.Error("Run returned before a started record finished")
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

// The records queued after the started one come before finished records, which must not be
// redelivered.
func drainTwice(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 20)
	release := w.hold(at(0, 1)) // before 8 and 15 in its lane
	c := func(s messages) built {
		return s.GroupByKey().Concurrent(8, w.do).CommitEvery(1000, 0, stream.ByCountOnly())
	}
	r := start(t, l, c)
	w.awaitDone(t, 17)
	r.cancel()
	awaitEvent(r, "it drains", func(stream.Draining) bool { return true })
	release()
	r.stop()
	r = start(t, l, c)
	w.awaitDone(t, 20)
	l.Append(0, "last", "")
	w.awaitDone(t, 21) // redelivered records would have finished by now
	r.stop()
	w.once(t, 21)
	allCommitted(t, l, 1)
}

func drainTimeout(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 5)
	w.hold(at(0, 2))
	r := start(t, l, func(s messages) built { return s.Concurrent(8, w.do).CommitEvery(1000, 0, stream.ByCountOnly()) }, stream.DrainTimeout(100*time.Millisecond))
	w.awaitDone(t, 4)
	r.cancel()
	err := r.result()
	if !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), "@2") {
		t.Errorf("Run does not name the unfinished record: %v", err)
	}
	if got := l.Committed(0); got != 2 {
		t.Errorf("committed %d, but 2 has not finished", got)
	}
}
