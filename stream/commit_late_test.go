package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// lateCommits is a source whose first commit gets no answer, and arrives after the second one.
type lateCommits struct {
	*hand
	calls  int
	late   map[stream.TopicPartition]stream.Position
	stored int64
}

func (s *lateCommits) Commit(_ context.Context, at map[stream.TopicPartition]stream.Position) error {
	p := stream.TopicPartition{Topic: "h"}
	switch s.calls++; s.calls {
	case 1:
		s.late = at
		return errBoom
	case 2:
		s.stored = s.late[p].Offset
	default:
		s.stored = at[p].Offset
	}
	return nil
}

func TestLateCommit(t *testing.T) {
	t.Run("is overwritten before the partition is released", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, s := newWork(), &lateCommits{hand: newHand(1)}
			chain := stream.From(func() stream.Source[string] { return s })
			j := s.hand.start(t, commitNow(chain.Serial(w.do)))
			s.feed(0, 1, "a")
			synctest.Wait()
			s.feed(0, 1, "b")
			elapse(time.Minute)
			if s.calls != 2 || s.stored != 1 {
				t.Fatalf("after %d commits %d is stored, want 1", s.calls, s.stored)
			}
			s.in.Revoke(t.Context(), s.parts...)
			if s.calls != 3 || s.stored != 2 {
				t.Errorf("after %d commits %d is stored, want 2", s.calls, s.stored)
			}
			must(t, j.stop())
		})
	})
}
