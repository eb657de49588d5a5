package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

func watermark(t *testing.T, b Backend) {
	l, w := b.Open(t, 2), newWork()
	fill(l, 2, 50)
	release := w.hold(at(0, 5))
	r := start(t, l, func(s messages) built { return s.Concurrent(16, w.do).CommitEach() })
	w.awaitDone(t, 99)
	r.awaitCommitted(0, 5)
	r.awaitCommitted(1, 50)
	if got := l.Committed(0); got != 5 {
		t.Errorf("committed %d, but 5 has not finished", got)
	}
	release()
	r.awaitCommitted(0, 50)
	r.stop()
	w.once(t, 100)
	allCommitted(t, l, 2)
}

// While the handler has a record, its offset must be committed already.
func atMostOnce(t *testing.T, b Backend) {
	for name, commit := range map[string]func(messages) messages{
		"one by one": func(s messages) messages { return s.CommitBefore(1, 0) },
		"every":      func(s messages) messages { return s.CommitBefore(7, 20*time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			l := b.Open(t, 1)
			fill(l, 1, 30)
			asked, answered := make(chan kafka.Message), make(chan struct{})
			r := start(t, l, func(s messages) built {
				return commit(s).Serial(func(ctx context.Context, m kafka.Message) error {
					select {
					case asked <- m:
						<-answered
					case <-ctx.Done():
					}
					return nil
				})
			})
			limit := time.After(patience)
			for want := range int64(30) {
				select {
				case m := <-asked:
					if got := l.Committed(0); m.Offset != want || got <= m.Offset {
						t.Errorf("started %d, want %d; committed %d", m.Offset, want, got)
					}
					answered <- struct{}{}
				case <-limit:
					t.Fatalf("%d was not started", want)
				}
			}
			r.stop()
			allCommitted(t, l, 1)
		})
	}
}

func commitAgain(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	r := start(t, l, func(s messages) built { return s.Serial(w.do).CommitEvery(10, 10*time.Millisecond) })
	r.awaitOwned(1)
	l.FailCommits(2)
	fill(l, 1, 25)
	awaitEvent(r, "a commit is refused for the second time", func(e stream.CommitFailed) bool { return e.Attempt == 2 })
	r.awaitCommitted(0, 25)
	r.stop()
	w.once(t, 25)
	allCommitted(t, l, 1)
}

// Offsets without a record, at the start, between records and at the end, are committed like
// others.
func gaps(t *testing.T, b Backend) {
	for name, commit := range map[string]func(messages) messages{
		"each":  messages.CommitEach,
		"every": func(s messages) messages { return s.CommitEvery(1000, 20*time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			l, w := b.Open(t, 2), newWork()
			l.Gap(0, 3)
			for i := range 3 {
				l.Append(0, "k", fmt.Sprint(i))
				l.Gap(0, 4)
			}
			l.Gap(1, 5)
			r := start(t, l, func(s messages) built { return commit(s.GroupByKey().Concurrent(4, w.do)) })
			w.awaitDone(t, 3)
			for p := range 2 {
				first := l.End(p)
				r.awaitCommitted(p, first)
				l.Gap(p, 2) // after the finished records
				r.awaitCommitted(p, l.End(p))
				// the acknowledgement of the first of these commits has been read, that of the
				// second may not
				if s := r.state(p); s.Lag > l.End(p)-first || s.InFlight != 0 {
					t.Errorf("partition %d: lag %d, %d in flight", p, s.Lag, s.InFlight)
				}
			}
			r.stop()
			w.once(t, 3)
			allCommitted(t, l, 2)
		})
	}
}

// The topic is recreated while a record is in its handler. The record's offset must not be
// committed for the new topic.
func recreated(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 20)
	release := w.hold(at(0, 10))
	r := start(t, l, func(s messages) built {
		return s.GroupByPartition().Concurrent(1, w.do).CommitEvery(1000, 20*time.Millisecond)
	})
	w.awaitStarted(t, at(0, 10))
	r.awaitCommitted(0, 10)
	l.Recreate()
	release()
	fill(l, 1, 30)
	awaitEvent(r, "TopicRecreated is emitted", func(e stream.TopicRecreated) bool { return e.Old != e.New })
	w.until(t, "the last record of the new topic finishes", func() bool { return w.count(w.done, at(0, 29)) > 0 })
	r.awaitCommitted(0, 30)
	r.stop()
	got := w.of(0)
	for i, offset := range got[len(got)-30:] {
		if offset != int64(i) {
			t.Fatalf("records of the new topic finished in the order %v", got[len(got)-30:])
		}
	}
	allCommitted(t, l, 1)
}
