package stream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// feedsAtOnce is a source that feeds under a lock of its own, and from Wake.
type feedsAtOnce struct {
	quiet
	assigned chan struct{}
	mu       sync.Mutex
	part     *stream.Partition[string]
	left     []string
	wake     func() // nil: feed
}

func (s *feedsAtOnce) feed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.left) > 0 {
		if n, _ := s.part.Room(); n == 0 {
			return
		}
		from := s.part.Next()
		s.part.Feed(s.left[:1], place{s.part.TopicPartition(), from}, from+1, 1)
		s.left = s.left[1:]
	}
}

func (s *feedsAtOnce) Run(c context.Context, in *stream.Intake[string]) error {
	wake := s.wake
	if wake == nil {
		wake = s.feed
	}
	ps, err := in.Assign(c, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "w"}, Committed: -1, Wake: wake})
	if err != nil {
		return err
	}
	s.part = ps[0]
	s.feed()
	close(s.assigned)
	<-c.Done()
	in.Revoke(c, ps...)
	return nil
}

// Wake may feed, or take a lock that the source holds while it feeds.
func TestWake(t *testing.T) {
	t.Run("may feed, also when records are skipped", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, s := newWork().poison("a", errBoom).poison("b", errBoom), &feedsAtOnce{assigned: make(chan struct{}), left: []string{"a", "b", "c", "d"}}
			s.info.StateBytes = 4096
			j := launch(t, nil, nil, commitNow(stream.From(func() stream.Source[string] { return s }).Concurrent(2, w.do).ParkOnError()), stream.MaxInFlight(2))
			<-s.assigned
			elapse(time.Second)
			for _, h := range j.Halts() {
				must(t, j.Skip(h))
			}
			elapse(time.Second)
			sameSet(t, "done", w.done(), []string{"c", "d"})
			must(t, j.stop())
		})
	})
}
