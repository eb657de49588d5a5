package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestGroupBy(t *testing.T) {
	t.Run("key keeps the order of each key", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			release := w.hold("a0")
			put(l, 0, "a0", "b0", "a1", "b1")
			put(l, 1, "a5", "a6")
			start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do)))
			same(t, "of key b, beside a0", w.doneOf("b"), []string{"b0", "b1"})
			same(t, "of key a in the other partition", w.doneOf("a"), []string{"a5", "a6"})
			release()
			synctest.Wait()
			same(t, "of key a", w.doneOf("a"), []string{"a5", "a6", "a0", "a1"})
		})
	})
	t.Run("key gives records without one a lane per partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			release := w.hold("a0")
			l.Append(0, "", "a0", "a1")
			l.Append(1, "", "b0")
			start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do)))
			same(t, "beside a0", w.done(), []string{"b0"})
			release()
			synctest.Wait()
			same(t, "without a key", w.doneOf("a"), []string{"a0", "a1"})
		})
	})
	t.Run("partition keeps the order of each partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(3), newWork()
			for i, k := range []string{"a", "b", "c"} {
				put(l, i, count(k, 5)...)
			}
			w.takes = time.Second
			start(t, l, commitNow(input.GroupByPartition().Concurrent(2, w.do)))
			same(t, "started", w.now(), []string{"a0", "b0"})
			elapse(time.Minute)
			for _, k := range []string{"a", "b", "c"} {
				same(t, "partition "+k, w.doneOf(k), count(k, 5))
			}
			if w.peak() != 2 {
				t.Errorf("%d at a time, want 2", w.peak())
			}
		})
	})
	t.Run("func keeps the order of each group", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			var want []string
			for i := range 40 {
				// keys of records differ, those of values do not
				l.Append(0, fmt.Sprint(i), fmt.Sprintf("%c%02d", 'a'+i%4, i))
				want = append(want, fmt.Sprintf("%c%02d", 'a'+i%4, i))
			}
			w.takes = time.Second
			j := start(t, l, commitNow(input.Map(func(_ ctx, v string) (string, error) { return v, nil }).
				GroupBy(func(v string) byte { return v[0] }).Concurrent(16, w.do)))
			elapse(time.Minute)
			for _, k := range []string{"a", "b", "c", "d"} {
				same(t, "group "+k, w.doneOf(k), slices.DeleteFunc(slices.Clone(want), func(v string) bool { return v[:1] != k }))
			}
			if w.peak() != 4 {
				t.Errorf("%d at a time, there are 4 groups", w.peak())
			}
			j.committed(40)
		})
	})
	t.Run("holds until the next grouping", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork()
			put(l, 0, "a0", "b0", "a1", "b1", "a2", "b2")
			release := second.hold("a0")
			start(t, l, commitNow(input.GroupByKey().MapConcurrent(8, first.echo).
				Map(func(_ ctx, v string) (string, error) { return v, nil }).Concurrent(8, second.do)))
			same(t, "of key b", second.doneOf("b"), []string{"b0", "b1", "b2"})
			release()
			synctest.Wait()
			same(t, "of key a", second.doneOf("a"), []string{"a0", "a1", "a2"})
		})
	})
	t.Run("gives way to the grouping below it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			w.takes = time.Millisecond
			put(l, 0, "a0", "a1", "a2", "a3")
			l.Finish()
			s := input.GroupBy(func(v string) string { return v }).Ungroup().GroupByKey().Concurrent(4, w.do)
			must(t, start(t, l, commitNow(s)).wait())
			if n := w.peak(); n != 1 {
				t.Errorf("%d elements of one key at a time", n)
			}
		})
	})
	// A grouping gives way to the next one whole: what shared a group of the first may neither hold nor
	// overtake what shares one of the second.
	t.Run("lets a refused element hold its new group alone", func(t *testing.T) {
		byFunc := input.GroupBy(func(v string) string { return v })
		for name, above := range map[string]stream.Stream[string]{
			"regrouped at once":        byFunc.Ungroup().GroupByPartition(),
			"ungrouped":                byFunc.Ungroup(),
			"regrouped below a commit": byFunc.Concurrent(8, pass[string]).CommitBefore(3, 0, stream.ByCountOnly()).Ungroup().GroupByPartition(),
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w, tries := newLog(1), newWork(), 0
					put(l, 0, "a", "b", "c")
					s := &sink[string]{fail: func(es []stream.Out[string]) error {
						if tries++; es[0].Value == "a" && tries < 3 {
							return &stream.PartialError{Errs: map[int]error{0: errBoom}}
						}
						return nil
					}}
					chain := above.To(s).RetryOnError(every(time.Second, 5)).GroupByPartition().Serial(w.do)
					if name != "regrouped below a commit" {
						chain = chain.CommitEvery(3, 0, stream.ByCountOnly())
					}
					j := start(t, l, chain)
					elapse(time.Minute)
					same(t, "below", w.done(), []string{"a", "b", "c"})
					j.committed(3)
				})
			})
		}
	})
}

func TestKeepOrder(t *testing.T) {
	t.Run("passes results on in the order of their records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 20)...)
			put(l, 1, count("b", 3)...)
			release := w.hold("a0")
			w.poison("a5", errBoom)
			var out results
			j := start(t, l, commitNow(input.MapConcurrent(8, w.echo, stream.KeepOrder()).SkipOnError().GroupByPartition().Serial(out.add)))
			if n := len(w.doneOf("a")); n != 18 {
				t.Errorf("%d were worked on beside a0, want 18: a result that waits holds no worker", n)
			}
			same(t, "passed on", out.all(), []string{"b0", "b1", "b2"})
			release()
			synctest.Wait()
			same(t, "of partition 0", out.all()[3:], slices.DeleteFunc(count("a", 20), func(v string) bool { return v == "a5" }))
			j.committed(20, 3)
		})
	})
	t.Run("applies to batches", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c")
			var out results
			j := start(t, l, commitNow(input.Batch(2, time.Second).MapConcurrent(4, func(_ ctx, b []string) (string, error) {
				return fmt.Sprint(b), nil
			}, stream.KeepOrder()).Serial(out.add)))
			elapse(time.Second)
			if n := len(out.all()); n != 2 {
				t.Errorf("batches: %v", out.all())
			}
			j.committed(3)
		})
	})
	t.Run("keeps the order that a batch collects in", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, out := newLog(1), &sink[[]string]{}
			put(l, 0, "a0", "a1", "a2", "a3")
			l.Finish()
			slow := func(_ ctx, v string) (string, error) {
				if v == "a0" {
					time.Sleep(time.Second)
				}
				return v, nil
			}
			s := input.Map(slow).Batch(2, 0).MapConcurrent(3, func(_ ctx, b []string) ([]string, error) { return b, nil }, stream.KeepOrder()).To(out)
			must(t, start(t, l, commitNow(s)).wait())
			var got []string
			for _, o := range out.outs {
				got = append(got, o.Value...)
			}
			same(t, "order", got, []string{"a0", "a1", "a2", "a3"})
		})
	})
	t.Run("keeps the order of batches below it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "a1")
			slow := func(_ ctx, v string) error {
				if v == "a1" {
					time.Sleep(5 * time.Millisecond)
				}
				return nil
			}
			first := func(c ctx, b []string) ([]string, error) { return b, w.do(c, b[0]) }
			s := input.Concurrent(2, slow, stream.KeepOrder()).Batch(20, time.Millisecond).Map(first).RetryOnError(every(time.Second, 2))
			j := start(t, l, commitNow(s))
			elapse(2 * time.Second)
			same(t, "started", w.tried(), []string{"a0", "a0", "a1"})
			j.committed(2)
		})
	})
	t.Run("finishes what a drain finds started, also after a halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, below := newLog(1), newWork().fail("a0", errBoom), newWork()
			put(l, 0, "a0")
			s := input.MapConcurrent(3, w.echo, stream.KeepOrder()).HaltOnError().Map(below.echo)
			j := start(t, l, commitNow(s))
			must(t, j.Resume(j.halt()))
			release := w.hold("a1")
			put(l, 0, "a1", "a2")
			synctest.Wait()
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			same(t, "passed on", below.done(), []string{"a0", "a1", "a2"})
			j.committed(3)
		})
	})
	t.Run("lets nothing overtake what a drain gave up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "a2")
			w.hold("a0")
			s := input.Concurrent(3, pass[string], stream.KeepOrder()).Map(w.echo)
			j := start(t, l, commitNow(s), stream.DrainTimeout(time.Second))
			if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
				t.Error(err)
			}
			same(t, "started", w.tried(), []string{"a0"})
		})
	})
	t.Run("lets nothing overtake what leaves its retry to the next worker", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, below := newLog(1), newWork().fail("a0", errBoom), newWork()
			put(l, 0, "a0", "a1", "a2")
			s := input.MapConcurrent(3, w.echo, stream.KeepOrder()).RetryOnError(every(time.Hour, 2)).Map(below.echo)
			j := start(t, l, commitNow(s))
			must(t, j.stop())
			sameSet(t, "started", w.tried(), []string{"a0", "a1", "a2"})
			same(t, "passed on", below.tried(), []string{})
		})
	})
}

// results is what came out, in that order.
type results struct {
	mu sync.Mutex
	vs []string
}

func (r *results) add(_ ctx, v string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vs = append(r.vs, v)
	return nil
}

func (r *results) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.vs)
}
