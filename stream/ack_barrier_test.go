package stream_test

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestCommitBefore(t *testing.T) {
	// apart makes two elements of b, the second of which fails, so that b halts with its first in a
	// batch.
	apart := func(_ ctx, v string) (seq[string], error) {
		if v == "b" {
			return slices.Values([]string{"b1", "b2"}), nil
		}
		return slices.Values([]string{v + "1"}), nil
	}
	resume := func(t *testing.T, s func(stream.Stream[[]string]) stream.Stream[string]) (*job, *work) {
		l, above, below := newLog(1), newWork().fail("b2", errBoom), newWork()
		put(l, 0, "a", "b", "c")
		batches := input.FlatMap(apart).Serial(above.do).Batch(2, time.Hour).HaltOnError()
		j := start(t, l, s(batches).Serial(below.do))
		must(t, j.Resume(j.halt()))
		elapse(2 * time.Hour)
		j.committed(3)
		must(t, j.stop())
		return j, below
	}
	t.Run("keeps the records of a batch that are not reprocessed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, below := resume(t, func(s stream.Stream[[]string]) stream.Stream[string] { return s.CommitBefore(1, 0).FlatMap(flat) })
			sameSet(t, "below", below.done(), []string{"a1", "b1", "b2", "c1"})
		})
	})
	t.Run("reports records that it cannot keep", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, below := resume(t, func(s stream.Stream[[]string]) stream.Stream[string] {
				return s.Map(func(_ ctx, b []string) (string, error) { return strings.Join(b, "+"), nil }).CommitBefore(1, 0)
			})
			same(t, "below", below.done(), []string{"b1+b2", "c1"})
			if lost := heard[stream.Skipped](j); len(lost) != 1 || lost[0].Meta.Offset != 0 {
				t.Errorf("told as given up: %v, want the record at 0", lost)
			}
		})
	})
	t.Run("commits before its count when the budget is full", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "a2")
			split := func(_ ctx, v string) (iter.Seq[string], error) {
				return func(yield func(string) bool) { yield(v); time.Sleep(time.Millisecond) }, nil
			}
			start(t, l, input.FlatMap(split).CommitBefore(100, 0, stream.ByCountOnly()).Serial(w.do), stream.MaxInFlight(1))
			elapse(time.Second)
			same(t, "below", w.done(), []string{"a0", "a1", "a2"})
		})
	})
}
