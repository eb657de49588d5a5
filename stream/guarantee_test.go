package stream_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestAtMostOncePassesOnlyAfterTheAck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, above, below := newLog(1), newWork(), newWork()
		put(l, 0, "a", "b")
		j := join(t, l, input.Serial(above.do).CommitEach().Serial(below.do))
		ack := j.stallCommits()
		must(t, j.member.Assign(0))
		synctest.Wait()
		same(t, "above", above.done(), []string{"a", "b"})
		same(t, "below, without an ack", below.tried(), nil)
		ack()
		synctest.Wait()
		same(t, "below", below.done(), []string{"a", "b"})
		j.committed(2)
	})
}

func TestAtMostOnceNeverPassesWhatWasNotCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a")
		j := join(t, l, input.CommitEach().Serial(w.do))
		j.member.FailCommits(func(map[stream.TopicPartition]int64) error { return errBoom })
		must(t, j.member.Assign(0))
		synctest.Wait()
		must(t, j.member.Lose(0))
		elapse(time.Minute)
		same(t, "begun", w.tried(), nil)
	})
}

func TestAtMostOnceWorkGoesOnWhereThePartitionIsLost(t *testing.T) {
	chains := map[string]func(*work) stream.Stream[string]{
		"one by one": func(w *work) stream.Stream[string] { return input.CommitEach().Serial(w.do) },
		"batch": func(w *work) stream.Stream[string] {
			return input.CommitEach().Batch(3, time.Hour).MapSerial(func(c ctx, b []string) (string, error) {
				for _, v := range b {
					if err := w.do(c, v); err != nil {
						return "", err
					}
				}
				return "", nil
			})
		},
	}
	for name, chain := range chains {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				put(l, 0, "a", "b")
				release := w.hold("a")
				j := join(t, l, chain(w))
				must(t, j.member.Assign(0))
				synctest.Wait()
				j.committed(2)
				must(t, j.member.Lose(0))
				synctest.Wait()
				j.cancel() // a drain finishes everything past a commit, here too
				synctest.Wait()
				release()
				must(t, j.wait())
				same(t, "done", w.done(), []string{"a", "b"})
			})
		})
	}
}

func TestAtMostOnceBatchIsRetriedThroughADrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, tries := newLog(1), 0
		put(l, 0, "a", "b")
		j := start(t, l, input.CommitEach().Batch(2, 0).Serial(func(ctx, []string) error {
			if tries++; tries < 3 {
				return errBoom
			}
			return nil
		}).RetryOnError(every(time.Second, 5)))
		must(t, j.stop())
		if tries != 3 {
			t.Errorf("%d attempts: what was committed is finished", tries)
		}
	})
}

func TestAtMostOnceCommitOutageIsBackpressure(t *testing.T) {
	for name, commit := range map[string]func(stream.Stream[string]) stream.Stream[string]{
		"each":  stream.Stream[string].CommitEach,
		"every": func(s stream.Stream[string]) stream.Stream[string] { return s.CommitEvery(1000, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				put(l, 0, count("a", 500)...)
				j := join(t, l, commit(input).Serial(w.do), stream.MaxInFlight(50, 1<<20))
				var up atomic.Bool
				j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
					if up.Load() {
						return nil
					}
					return errBoom
				})
				must(t, j.member.Assign(0))
				elapse(time.Minute)
				if s := j.Snapshot().Partitions[0]; s.Next > 60 || s.InFlight > 60 {
					t.Errorf("%d fetched and %d held while nothing can be committed, MaxInFlight is 50", s.Next, s.InFlight)
				}
				up.Store(true)
				elapse(time.Minute)
				must(t, j.stop())
				same(t, "done", w.done(), count("a", 500))
			})
		})
	}
}

func TestCommitEachHoldsTheLaneUntilTheAck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "a1", "b0")
		j := join(t, l, input.GroupByKey().Concurrent(1, w.do).CommitEach())
		ack := j.stallCommits()
		must(t, j.member.Assign(0))
		synctest.Wait()
		// a0 moves the watermark and waits, without a worker; b0 is another lane's and does not move it.
		same(t, "done before the ack", w.done(), []string{"a0", "b0"})
		ack()
		synctest.Wait()
		same(t, "done", w.done(), []string{"a0", "b0", "a1"})
		j.committed(3)
	})
}

func TestCommitEachRequestsCoalesce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(8), newWork()
		for i := range 8 {
			l.Append(i, "", "a")
		}
		j := join(t, l, input.GroupByPartition().Serial(w.do).CommitEach())
		ack := j.stallCommits()
		must(t, j.member.Assign(0, 1, 2, 3, 4, 5, 6, 7))
		synctest.Wait()
		ack()
		synctest.Wait()
		if n := len(heard[stream.Committed](j)); n > 2 {
			t.Errorf("%d requests for what came while the first was under way", n)
		}
		j.committed(1, 1, 1, 1, 1, 1, 1, 1)
	})
}

func TestCommitEveryByCountAndByTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(2)
		j := start(t, l, input.Serial(pass).CommitEvery(10, time.Second))
		put(l, 0, count("a", 6)...)
		put(l, 1, count("b", 3)...)
		synctest.Wait()
		j.committed(-1, -1)
		put(l, 1, "b3") // the tenth, over all partitions
		synctest.Wait()
		j.committed(6, 4)
		put(l, 0, "a6")
		elapse(999 * time.Millisecond)
		j.committed(6)
		elapse(time.Millisecond)
		j.committed(7)
	})
}

func TestCommitEveryByCountAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		j := start(t, l, input.Serial(pass).CommitEvery(3, 0))
		put(l, 0, "a", "b")
		elapse(time.Hour)
		j.committed(-1)
		put(l, 0, "c", "d")
		synctest.Wait()
		if got := l.Committed(0); got < 3 {
			t.Errorf("committed %d", got)
		}
		must(t, j.stop())
		j.committed(4)
	})
}

func TestOnlyTheWatermarkIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, count("a", 10)...)
		release := w.hold("a4")
		j := start(t, l, commitNow(input.Concurrent(10, w.do)))
		if n := len(w.done()); n != 9 {
			t.Fatalf("%d are done", n)
		}
		j.committed(4)
		release()
		synctest.Wait()
		j.committed(10)
	})
}

func TestCommitsReachTheEndBehindOffsetsWithoutRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a")
		l.AppendGap(0, 5)
		put(l, 0, "b")
		l.AppendGap(0, 3)
		j := start(t, l, input.Serial(pass).CommitEvery(100, time.Second))
		elapse(time.Second)
		j.committed(10)
		if s := j.Snapshot().Partitions[0]; s.Lag != 0 || s.Next != 10 || s.End != 10 {
			t.Errorf("snapshot: %+v", s)
		}
		l.AppendGap(0, 2)
		elapse(2 * time.Second)
		j.committed(12)
	})
}

func TestFailedCommitsAreRetriedAndReported(t *testing.T) {
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
}

func TestCommitRefusedForOnePartitionIsRetriedForThatOne(t *testing.T) {
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
}

func TestPermanentCommitFailureEndsThePipeline(t *testing.T) {
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
}

func TestACommitThatARevokeCouldNotMakeDoesNotStopTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(2)
		put(l, 0, "a")
		put(l, 1, "b")
		bad := stream.TopicPartition{Topic: "t", Partition: 0}
		j := join(t, l, input.GroupByPartition().Serial(pass).CommitEvery(3, 0))
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
		j.committed(-1, 4)
	})
}

func TestAFailedCommitIsNoMatterOfPolicies(t *testing.T) {
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
		if err == nil || !strings.Contains(err.Error(), "the last commit: boom") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestWithoutACommitNothingIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a")
		must(t, start(t, l, input.Serial(w.do)).stop())
		same(t, "done", w.done(), []string{"a"})
		committed(t, l, -1)
	})
}

// stallCommits lets commits wait until the returned func is called.
func (j *job) stallCommits() (ack func()) {
	ch := make(chan struct{})
	j.member.FailCommits(func(map[stream.TopicPartition]int64) error {
		<-ch
		return nil
	})
	return sync.OnceFunc(func() { close(ch) })
}
