package stream_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestAttemptsOutliveAssignments(t *testing.T) {
	chain := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(every(time.Hour, 5)).HaltOnError())
	}
	t.Run("in restarts and rebalances", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1", "c2")
			j := start(t, l, chain(w), stream.BuildID(""))
			elapse(time.Hour)
			must(t, j.stop()) // after 2 attempts
			j = join(t, l, chain(w), stream.BuildID(""))
			for range 2 {
				must(t, j.member.Assign(0))
				synctest.Wait()
				must(t, j.member.Revoke(0, 0))
			}
			must(t, j.member.Assign(0))
			synctest.Wait()
			if h := j.halt(); h.Attempts != 5 || w.triesOf("b1") != 5 {
				t.Errorf("tried %d times, halted after %d attempts; want 5", w.triesOf("b1"), h.Attempts)
			}
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			if got := heard[stream.Retrying](j); got[len(got)-1].Attempts != 1 {
				t.Errorf("the first attempt after Resume counts as %d", got[len(got)-1].Attempts)
			}
		})
	})
	t.Run("at a step with a long name", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "b1")
			chain := commitNow(input.GroupByKey().Concurrent(4, w.do, stream.Named(strings.Repeat("charge the customer ", 5))).RetryOnError(every(time.Hour, 5)).HaltOnError())
			must(t, start(t, l, chain).stop())
			j := start(t, l, chain)
			if got := heard[stream.Retrying](j); got[0].Attempts != 2 {
				t.Errorf("the first attempt counts as %d", got[0].Attempts)
			}
		})
	})
	t.Run("but those of its step alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "b1")
			must(t, start(t, l, chain(w)).stop())
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do, stream.Named("other")).RetryOnError(every(time.Hour, 5)).HaltOnError()))
			if got := heard[stream.Retrying](j); got[0].Attempts != 1 {
				t.Errorf("the first attempt counts as %d", got[0].Attempts)
			}
		})
	})
	t.Run("until the record is done", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b1", errBoom, errBoom)
			put(l, 0, "b1", "b2")
			must(t, start(t, l, chain(w)).stop())
			j := start(t, l, chain(w))
			elapse(time.Hour)
			j.committed(2)
			if got := heard[stream.Retrying](j); len(got) != 1 || got[0].Attempts != 2 {
				t.Errorf("retries: %v", got)
			}
			if i := slices.Index(w.done(), "b2"); i != 1 {
				t.Errorf("done: %v", w.done())
			}
		})
	})
	t.Run("at a step below another", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "b1")
			chain := commitNow(input.GroupByKey().MapConcurrent(4, echo).Concurrent(4, w.do).RetryOnError(every(time.Hour, 5)).HaltOnError())
			must(t, start(t, l, chain).stop()) // after 2 attempts
			j := start(t, l, chain)
			if got := heard[stream.Retrying](j); got[0].Attempts != 3 {
				t.Errorf("the first attempt counts as %d", got[0].Attempts)
			}
		})
	})
	t.Run("but not those of another element of its record", func(t *testing.T) {
		type chain = stream.Stream[string]
		last := func(s chain, w *work) chain {
			return s.GroupByPartition().Serial(w.do).RetryOnError(every(time.Second, 3)).SkipOnError()
		}
		for name, of := range map[string]func(s chain, w *work) chain{
			"below a FlatMap": func(s chain, w *work) chain { return commitNow(last(s.FlatMap(thrice), w)) },
			"below a FlatMap, in a branch": func(s chain, w *work) chain {
				return commitNow(s.FlatMap(thrice).AlsoTo(func(s chain) chain { return last(s, w) }))
			},
			"below a FlatMap above a Merge": func(s chain, w *work) chain {
				return commitNow(last(stream.Merge(s.FlatMap(thrice).As("eu"), from().As("us")), w))
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := newPair()
					put(p.eu, 0, "a")
					run := func(w *work) *job {
						if strings.Contains(name, "Merge") {
							return p.start(t, of(from(), w))
						}
						return start(t, p.eu, of(input, w))
					}
					must(t, run(newWork().poison("a1", errBoom)).stop()) // after 2 attempts of a1
					w := newWork().fail("a2", errBoom)
					j := run(w)
					elapse(time.Minute)
					same(t, "done", w.done(), []string{"a1", "a2", "a3"})
					if got := heard[stream.Retrying](j); len(got) != 1 || got[0].Attempts != 1 {
						t.Errorf("retries: %v", got)
					}
				})
			})
		}
	})
}
