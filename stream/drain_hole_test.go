package stream_test

import (
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// Where no state is stored, what has finished above an unfinished record is handled again. So a
// drain starts what lies before a record that has started, and nothing else.

func TestDrainWithoutState(t *testing.T) {
	t.Run("leaves no gap below a started record", func(t *testing.T) {
		for name, chain := range map[string]func(w *work) stream.Stream[string]{
			"keyed": func(w *work) stream.Stream[string] { return input.GroupByKey().Concurrent(4, w.do) },
			"keyed, one partition at a time": func(w *work) stream.Stream[string] {
				return input.GroupByKey().Concurrent(4, w.do, stream.MaxPartitions(1))
			},
			"keyed, collected in batches": func(w *work) stream.Stream[string] {
				return input.GroupByKey().Concurrent(4, w.do).Batch(100, time.Hour).FlatMap(func(_ ctx, b []string) (iter.Seq[string], error) { return slices.Values(b), nil })
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, "a0", "a1", "b0", "a2")
					release := w.hold("a0")
					j := start(t, l, chain(w).CommitEvery(100, time.Hour), stream.MaxFinishedAhead(0))
					j.cancel()
					synctest.Wait()
					release()
					must(t, j.wait())
					same(t, "done", w.done(), []string{"b0", "a0", "a1"})
					j.committed(3)
				})
			})
		}
	})
	t.Run("starts nothing behind a write of a sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0")
			release := w.hold("a0")
			j := start(t, l, input.GroupByKey().To(intoSink(w)).CommitEvery(100, time.Hour), stream.MaxFinishedAhead(0))
			put(l, 0, "b0", "a1", "b1")
			synctest.Wait()
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			same(t, "written", w.done(), []string{"a0"})
			j.committed(1)
		})
	})
	t.Run("leaves no gap in a revoke", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "b0", "a2")
			release := w.hold("a0")
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).CommitEvery(100, time.Hour), stream.MaxFinishedAhead(0))
			must(t, j.member.Assign(0))
			synctest.Wait()
			revoked := make(chan error)
			go func() { revoked <- j.member.Revoke(0, 0) }()
			synctest.Wait()
			release()
			must(t, <-revoked)
			j.committed(3)
			must(t, j.member.Assign(0))
			synctest.Wait()
			same(t, "done", w.done(), []string{"b0", "a0", "a1", "a2"})
		})
	})
	t.Run("starts nothing above a retry that it gave up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0", "b1", "c0")
			release := w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 3)).SkipOnError()), stream.MaxFinishedAhead(0))
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			sameSet(t, "tried", w.tried(), []string{"a0", "b0", "c0"})
			j.committed(0)
		})
	})
	t.Run("starts nothing once its time is over", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "b0")
			w.hold("a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do)), stream.DrainTimeout(time.Second), stream.MaxFinishedAhead(0))
			if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
				t.Errorf("Run: %v", err)
			}
			sameSet(t, "tried", w.tried(), []string{"a0", "b0"})
			j.committed(0)
		})
	})
}
