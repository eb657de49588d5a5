package stream_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// refusing makes a member's commits of a partition fail.
func refusing(j *job, part int) {
	tp := stream.TopicPartition{Topic: "t", Partition: part}
	j.member.FailCommits(func(offsets map[stream.TopicPartition]int64) error {
		if _, ok := offsets[tp]; ok {
			return &stream.CommitError{Errs: map[stream.TopicPartition]error{tp: errBoom}}
		}
		return nil
	})
}

func TestCommitByPartition(t *testing.T) {
	t.Run("does not slow other partitions when it is refused", func(t *testing.T) {
		for name, commit := range map[string]func(stream.Stream[string]) stream.Stream[string]{
			"each":  stream.Stream[string].CommitEach,
			"every": commitNow[string],
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(2)
					put(l, 0, "a")
					j := join(t, l, commit(input.GroupByPartition().Serial(pass)))
					refusing(j, 0)
					must(t, j.member.Assign(0, 1))
					for i := range 200 {
						put(l, 1, "b")
						elapse(50 * time.Millisecond)
						j.committed(-1, int64(i+1))
					}
					got := heard[stream.CommitFailed](j)
					// The waits double from 0.1 s to 5 s and are drawn from their upper half.
					if n := len(got); n < 7 || n > 9 || got[n-1].Attempt != n {
						t.Errorf("in 10 s the refused one was tried %d times, as attempt %d", n, got[n-1].Attempt)
					}
					j.member.FailCommits(nil)
					elapse(6 * time.Second)
					j.committed(1, 200)
					must(t, j.stop())
				})
			})
		}
	})
	t.Run("does not slow other partitions when a revoke's is refused", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a")
			j := join(t, l, input.GroupByPartition().Serial(pass).CommitEach())
			refusing(j, 0)
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			revoked := make(chan error)
			go func() { revoked <- j.member.Revoke(10*time.Second, 0) }()
			for i := range 100 {
				put(l, 1, "b")
				elapse(50 * time.Millisecond)
				j.committed(-1, int64(i+1))
			}
			j.member.FailCommits(nil)
			must(t, <-revoked)
			j.committed(1, 100)
			must(t, j.stop())
		})
	})
	t.Run("keeps the counts of other partitions in a revoke", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a")
			put(l, 1, "b", "b")
			j := join(t, l, input.GroupByPartition().Serial(pass).CommitEvery(5, 0, stream.ByCountOnly()))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Revoke(0, 0))
			j.committed(1, -1)
			put(l, 1, "b", "b", "b")
			synctest.Wait()
			if at := l.Committed(1); at < 4 {
				t.Errorf("5 have finished, %d is committed", at)
			}
			must(t, j.stop())
		})
	})
	t.Run("is not made for a partition that is lost while it drains", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			release := w.hold("b")
			j := join(t, l, input.GroupByPartition().Serial(w.do).CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0))
			synctest.Wait()
			j.member.FailCommits(func(offsets map[stream.TopicPartition]int64) error {
				t.Errorf("it was asked to store %v", offsets)
				return nil
			})
			revoked := make(chan error)
			go func() { revoked <- j.member.Revoke(time.Minute, 0) }()
			synctest.Wait()
			must(t, j.member.Lose(0))
			release()
			must(t, <-revoked)
			must(t, j.stop())
		})
	})
	t.Run("does not count for a later assignment", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f := &fickle{hand: *newHand(1)}
			j := f.start(t, stream.From(func() stream.Source[string] { return f }).Serial(pass).CommitEach())
			f.feed(0, 1, "a")
			synctest.Wait()
			if s := j.Snapshot().Partitions; len(f.stored) != 0 || s[0].Committed != 7 {
				t.Errorf("stored %v, the new assignment is %+v", f.stored, s)
			}
			if got := heard[stream.Committed](j); len(got) != 0 {
				t.Errorf("events: %v", got)
			}
		})
	})
}

// fickle is a source that loses its partition and gets it back while the commit of the
// first assignment is on its way.
type fickle struct {
	hand
	once   sync.Once
	stored []int64
}

func (f *fickle) Commit(c context.Context, offsets map[stream.TopicPartition]stream.Position) error {
	tp := f.parts[0].TopicPartition()
	f.once.Do(func() {
		f.in.Lose(errBoom, f.parts[0])
		f.parts, _ = f.in.Assign(c, stream.Assignment{TopicPartition: tp, Next: 7, Committed: 7})
	})
	if !stream.Superseded(c, tp) {
		f.stored = append(f.stored, offsets[tp].Offset)
	}
	return nil
}
