package stream_test

import (
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestCommitEach(t *testing.T) {
	t.Run("holds the lane until the ack", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "b0")
			j := join(t, l, input.GroupByKey().Concurrent(1, w.do).CommitEach())
			ack := j.stallCommits()
			must(t, j.member.Assign(0))
			synctest.Wait()
			// a0 moves the watermark and waits, without a worker; b0 is another lane's and does not
			// move it.
			same(t, "done before the ack", w.done(), []string{"a0", "b0"})
			ack()
			synctest.Wait()
			same(t, "done", w.done(), []string{"a0", "b0", "a1"})
			j.committed(3)
		})
	})
	t.Run("holds the lane of a record that ends early", func(t *testing.T) {
		for name, chain := range map[string]func(w *work) stream.Stream[string]{
			"Skip": func(w *work) stream.Stream[string] { return input.Serial(w.poison("a0", errBoom).do).SkipOnError() },
			"Filter": func(w *work) stream.Stream[string] {
				return input.Serial(w.do).Filter(func(string) bool { return false })
			},
			"FlatMap": func(w *work) stream.Stream[string] {
				return input.Serial(w.do).FlatMap(func(_ ctx, v string) (iter.Seq[string], error) { return slices.Values([]string{v, v}), nil })
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, "a0", "a1", "a2")
					j := join(t, l, chain(w).CommitEach())
					acknowledge := make(chan struct{})
					j.member.FailCommits(func(map[stream.TopicPartition]int64) error { <-acknowledge; return nil })
					must(t, j.member.Assign(0))
					synctest.Wait()
					if got := w.tried(); len(got) > 1 {
						t.Errorf("%v were started before the first was acknowledged", got)
					}
					close(acknowledge)
					synctest.Wait()
					j.committed(3)
				})
			})
		}
	})
	t.Run("coalesces its requests", func(t *testing.T) {
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
				t.Errorf("%d requests for what came during the first", n)
			}
			j.committed(1, 1, 1, 1, 1, 1, 1, 1)
		})
	})
}

func TestCommitEvery(t *testing.T) {
	t.Run("commits by count and by time", func(t *testing.T) {
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
	})
	t.Run("commits by count alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, input.Serial(pass).CommitEvery(3, 0, stream.ByCountOnly()))
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
	})
}

func TestCommitted(t *testing.T) {
	t.Run("is the watermark alone", func(t *testing.T) {
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
	})
	t.Run("reaches the end past offsets without records", func(t *testing.T) {
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
	})
	t.Run("stays empty without a commit word", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			must(t, start(t, l, input.Serial(w.do)).stop())
			same(t, "done", w.done(), []string{"a"})
			committed(t, l, -1)
		})
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
