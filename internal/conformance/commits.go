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
		t.Errorf("committed %d, and 5 is not done", got)
	}
	release()
	r.awaitCommitted(0, 50)
	r.stop()
	w.once(t, 100)
	allCommitted(t, l, 2)
}

// Each record is asked about while it is worked on: its offset must be behind.
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
						t.Errorf("%d is worked on, %d is next, and committed is %d", m.Offset, want, got)
					}
					answered <- struct{}{}
				case <-limit:
					t.Fatalf("%d was not worked on", want)
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

// Offsets that hold no record, at the beginning, between records and at the end, are committed like
// those that do.
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
				r.awaitCommitted(p, l.End(p))
				if s := r.state(p); s.Lag != 0 || s.InFlight != 0 {
					t.Errorf("partition %d: lag %d, %d in flight", p, s.Lag, s.InFlight)
				}
			}
			l.Gap(0, 2) // behind what is done already
			r.awaitCommitted(0, l.End(0))
			r.stop()
			w.once(t, 3)
			allCommitted(t, l, 2)
		})
	}
}

// A record is worked on while its topic is deleted and made again: its offset says nothing of the
// new topic, and is not committed for it.
func recreated(t *testing.T, b Backend) {
	l, w := b.Open(t, 1), newWork()
	fill(l, 1, 20)
	release := w.hold(at(0, 10))
	r := start(t, l, func(s messages) built {
		return s.GroupByPartition().Concurrent(1, w.do).CommitEvery(1000, 20*time.Millisecond)
	})
	w.awaitBegun(t, at(0, 10))
	r.awaitCommitted(0, 10)
	l.Recreate()
	release()
	fill(l, 1, 30)
	awaitEvent(r, "it is told that the topic is another one", func(e stream.TopicRecreated) bool { return e.Old != e.New })
	w.until(t, "the last of the new topic is done", func() bool { return w.count(w.done, at(0, 29)) > 0 })
	r.awaitCommitted(0, 30)
	r.stop()
	got := w.of(0)
	for i, offset := range got[len(got)-30:] {
		if offset != int64(i) {
			t.Fatalf("of the new topic were done %v", got[len(got)-30:])
		}
	}
	allCommitted(t, l, 1)
}
