package stream_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestCommit(t *testing.T) {
	t.Run("is retried and reported when it fails", func(t *testing.T) {
		for name, commit := range map[string]func(stream.Stream[string]) stream.Stream[string]{
			"each":  stream.Stream[string].CommitEach,
			"every": commitNow[string],
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w, fails := newLog(1), newWork(), 2
					put(l, 0, "a", "b")
					j := join(t, l, commit(input.Serial(w.do)))
					j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
						if fails--; fails >= 0 {
							return errBoom
						}
						return nil
					})
					must(t, j.member.Assign(0))
					elapse(time.Minute)
					j.committed(2)
					got := heard[stream.CommitFailed](j)
					if len(got) != 2 || got[0].Attempt != 1 || got[1].Attempt != 2 || !errors.Is(got[0].Err, errBoom) {
						t.Errorf("events: %v", got)
					}
					must(t, j.stop())
				})
			})
		}
	})
	t.Run("is retried for the refused partition alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var refuse atomic.Bool
			refuse.Store(true)
			l := newLog(2)
			put(l, 0, "a")
			put(l, 1, "b")
			tp := stream.TopicPartition{Topic: "t", Partition: 1}
			j := join(t, l, commitNow(input.Serial(pass)))
			j.member.FailCommits(func(offsets map[stream.TopicPartition]int64) error {
				if _, ok := offsets[tp]; ok && refuse.Load() {
					return &stream.CommitError{Errs: map[stream.TopicPartition]error{tp: errBoom}}
				}
				return nil
			})
			must(t, j.member.Assign(0, 1))
			elapse(time.Second)
			if got := heard[stream.CommitFailed](j); len(got) == 0 || got[0].TopicPartition != tp {
				t.Errorf("events: %v", got)
			}
			refuse.Store(false)
			elapse(time.Minute)
			if s := j.Snapshot().Partitions; s[0].Committed != 1 || s[1].Committed != 1 {
				t.Errorf("snapshot: %+v", s)
			}
		})
	})
	t.Run("ends the pipeline on a permanent error", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := join(t, l, commitNow(input.Serial(pass)))
			j.member.FailCommits(func(map[stream.TopicPartition]int64) error { return stream.Permanent(errBoom) })
			must(t, j.member.Assign(0))
			if err := j.wait(); !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
			j.committed(-1)
		})
	})
	t.Run("continues for others when a revoke could not make it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a")
			put(l, 1, "b")
			bad := stream.TopicPartition{Topic: "t", Partition: 0}
			j := join(t, l, input.GroupByPartition().Serial(pass).CommitEvery(3, 0, stream.ByCountOnly()))
			j.member.FailCommits(func(offsets map[stream.TopicPartition]int64) error {
				if _, ok := offsets[bad]; ok {
					return &stream.CommitError{Errs: map[stream.TopicPartition]error{bad: errBoom}}
				}
				return nil
			})
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Revoke(time.Second, 0))
			put(l, 1, "c", "d", "e")
			elapse(time.Minute)
			if at := l.Committed(1); l.Committed(0) != -1 || at < 2 { // at most two of the four are below the count
				t.Errorf("committed: %d and %d", l.Committed(0), at)
			}
		})
	})
	t.Run("is not reported as failed for a partition that was lost in the meantime", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := join(t, l, commitNow(input.Serial(pass)))
			j.member.FailCommits(func(offsets map[stream.TopicPartition]int64) error {
				must(t, j.member.Lose(0))
				return nil
			})
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			if lost, failed := heard[stream.Lost](j), heard[stream.CommitFailed](j); len(lost) != 1 || lost[0].Totals.Uncommitted != 1 || len(failed) > 0 {
				t.Errorf("lost: %+v; failed: %v", lost, failed)
			}
			j.committed(-1)
		})
	})
	t.Run("asks no policy when it fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := join(t, l, commitNow(input.Serial(pass).SkipOnError()))
			j.member.FailCommits(func(map[stream.TopicPartition]int64) error { return errBoom })
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			if n := len(heard[stream.Skipped](j)); n != 0 {
				t.Errorf("%d skipped", n)
			}
			err := j.stop()
			if err == nil || !strings.Contains(err.Error(), "not committed, so they will be reprocessed: 1 record of t[0] (boom)") {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Run("by count alone follows what finishes while it is under way", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b")
			j := join(t, l, input.Serial(pass[string]).CommitEvery(2, 0, stream.ByCountOnly()))
			j.member.FailCommits(func(map[stream.TopicPartition]int64) error { time.Sleep(time.Second); return nil })
			must(t, j.member.Assign(0))
			synctest.Wait()
			put(l, 0, "c", "d")
			elapse(time.Minute)
			j.committed(4)
			must(t, j.stop())
		})
	})
	t.Run("by count alone follows when a gap closes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "slow")
			for range 20 {
				put(l, 0, "quick")
			}
			release := w.hold("slow")
			j := start(t, l, input.Concurrent(30, w.do).CommitEvery(10, 0, stream.ByCountOnly()), stream.MaxFinishedAhead(0))
			j.committed(0) // 20 have finished behind the one that has not
			release()
			synctest.Wait()
			j.committed(21)
			must(t, j.stop())
		})
	})
}
