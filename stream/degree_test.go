package stream_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestDegree(t *testing.T) {
	t.Run("ungrouped Serial runs one at a time, in order per partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 5)...)
			put(l, 1, count("b", 5)...)
			w.takes = time.Second
			j := start(t, l, commitNow(input.Serial(w.do)))
			elapse(time.Minute)
			if w.peak() != 1 {
				t.Errorf("%d at a time", w.peak())
			}
			same(t, "partition 0", w.doneOf("a"), count("a", 5))
			same(t, "partition 1", w.doneOf("b"), count("b", 5))
			j.committed(5, 5)
		})
	})
	t.Run("ungrouped Concurrent runs n at a time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, count("a", 40)...)
			w.takes = time.Second
			j := start(t, l, commitNow(input.Concurrent(8, w.do)))
			elapse(5 * time.Second)
			sameSet(t, "done", w.done(), count("a", 40))
			if w.peak() != 8 {
				t.Errorf("%d at a time, want 8", w.peak())
			}
			j.committed(40)
		})
	})
	t.Run("Serial by partition runs all partitions in parallel", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(3), newWork()
			put(l, 0, "a0", "a1")
			put(l, 1, "b0")
			put(l, 2, "c0")
			w.takes = time.Second
			start(t, l, commitNow(input.GroupByPartition().Serial(w.do)))
			sameSet(t, "at work", w.now(), []string{"a0", "b0", "c0"})
			elapse(2 * time.Second)
			same(t, "of key a", w.doneOf("a"), []string{"a0", "a1"})
		})
	})
}

func TestMaxPartitions(t *testing.T) {
	t.Run("takes partitions in turn, one at a time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(3), newWork()
			for i, k := range []string{"a", "b", "c"} {
				for n := range 4 {
					l.Append(i, fmt.Sprint(n), fmt.Sprint(k, n)) // every record of another key
				}
			}
			w.takes = time.Second
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do, stream.MaxPartitions(1))))
			seen := map[string]bool{}
			for range 3 {
				at := w.now()
				if len(at) != 4 {
					t.Fatalf("at work: %v, want the four keys of one partition", at)
				}
				for _, v := range at {
					if v[0] != at[0][0] {
						t.Errorf("at work: %v, of two partitions", at)
					}
				}
				seen[at[0][:1]] = true
				elapse(time.Second)
			}
			if len(seen) != 3 {
				t.Errorf("partitions that had their turn: %v", seen)
			}
			j.committed(4, 4, 4)
		})
	})
	t.Run("passes the turn on after a thousand records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 2500)...)
			release := w.hold("a0")
			put(l, 1, count("b", 10)...)
			j := start(t, l, commitNow(input.GroupByPartition().Concurrent(4, w.do, stream.MaxPartitions(1))))
			release()
			synctest.Wait()
			done := w.done()
			if at := slices.Index(done, "b0"); at > 1001 {
				t.Errorf("the other partition's first record came after %d of the first one's", at)
			}
			j.committed(2500, 10)
		})
	})
	t.Run("gives up the turn for a waiting retry and a halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(3), newWork().fail("a0", errBoom).poison("b0", stream.Permanent(errBoom))
			put(l, 0, "a0", "a1")
			put(l, 1, "b0", "b1")
			put(l, 2, "c0", "c1")
			j := start(t, l, commitNow(input.GroupByPartition().Concurrent(4, w.do, stream.MaxPartitions(1)).
				RetryOnError(every(time.Hour, 2)).HaltOnError()))
			same(t, "while one waits and one is frozen", w.done(), []string{"c0", "c1"})
			elapse(time.Hour)
			same(t, "after its turn came", w.doneOf("a"), []string{"a0", "a1"})
			j.committed(2, 0, 2)
		})
	})
}

func TestValueSteps(t *testing.T) {
	t.Run("run in the workers of the degree word below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, count("a", 8)...)
			w.takes = time.Second
			start(t, l, commitNow(input.Map(w.echo).Concurrent(8, pass[string])))
			if n := len(w.now()); n != 8 {
				t.Errorf("%d decode at a time, want 8", n)
			}
		})
	})
	t.Run("run in the workers above when no degree word is below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, count("a", 8)...)
			w.takes = time.Second
			start(t, l, commitNow(input.Concurrent(8, pass[string]).Map(w.echo)))
			if n := len(w.now()); n != 8 {
				t.Errorf("%d at a time, want 8", n)
			}
		})
	})
	t.Run("have one runner per partition without a degree word", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 3)...)
			put(l, 1, count("b", 3)...)
			w.takes = time.Second
			j := start(t, l, commitNow(input.Map(w.echo)))
			same(t, "at work", w.now(), []string{"a0", "b0"})
			elapse(time.Minute)
			same(t, "partition 0", w.doneOf("a"), count("a", 3))
			j.committed(3, 3)
		})
	})
}
