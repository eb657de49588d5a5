package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// batches remembers what it is given, each batch as its values joined.
type batches struct {
	mu sync.Mutex
	bs []string
	do func([]string) error
}

func (b *batches) take(_ ctx, vs []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bs = append(b.bs, strings.Join(vs, " "))
	if b.do != nil {
		return b.do(vs)
	}
	return nil
}

func (b *batches) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.bs)
}

func TestBatch(t *testing.T) {
	t.Run("flushes by size and by wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), new(batches)
			put(l, 0, count("a", 5)...)
			j := start(t, l, commitNow(input.Batch(2, time.Second).Serial(b.take)))
			same(t, "by size", b.all(), []string{"a0 a1", "a2 a3"})
			elapse(999 * time.Millisecond)
			same(t, "before the wait is over", b.all()[2:], nil)
			elapse(time.Millisecond)
			same(t, "by wait", b.all()[2:], []string{"a4"})
			j.committed(5)
		})
	})
	t.Run("collects within its group", func(t *testing.T) {
		chains := map[string]struct {
			chain func(stream.Stream[string], *batches) stream.Stream[[]string]
			want  []string
		}{
			"ungrouped: its partition": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.Batch(2, 0).Serial(b.take)
			}, []string{"a0 b0", "a1 b1", "a5 b5"}},
			"by key": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupByKey().Batch(2, 0).Concurrent(4, b.take)
			}, []string{"a0 a1", "b0 b1"}},
			"by func": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupBy(func(v string) byte { return v[1] }).Batch(2, 0).Concurrent(4, b.take)
			}, []string{"a0 b0", "a1 b1", "a5 b5"}},
			"by partition": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupByPartition().Batch(2, 0).Concurrent(4, b.take)
			}, []string{"a0 b0", "a1 b1", "a5 b5"}},
			"without a degree word": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupByKey().Batch(2, 0).Map(func(c ctx, vs []string) ([]string, error) { return vs, b.take(c, vs) })
			}, []string{"a0 a1", "b0 b1"}},
			"above a batch of the partition": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				first := s.GroupBy(func(v string) byte { return v[0] }).Concurrent(4, pass[string]).Batch(2, 0).Tap(b.take)
				return first.Ungroup().GroupByPartition().FlatMap(flat).Batch(2, 0)
			}, []string{"a0 a1", "b0 b1"}},
			"below a degree word": {func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupByKey().Concurrent(4, pass[string]).Batch(2, 0).Map(func(c ctx, vs []string) ([]string, error) { return vs, b.take(c, vs) })
			}, []string{"a0 a1", "b0 b1"}},
		}
		for name, c := range chains {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, b := newLog(2), new(batches)
					put(l, 0, "a0", "b0", "a1", "b1")
					put(l, 1, "a5", "b5")
					j := start(t, l, commitNow(c.chain(input, b)))
					sameSet(t, "batches", b.all(), c.want)
					must(t, j.stop())
					if n := len(strings.Fields(strings.Join(b.all(), " "))); n != 6 {
						t.Errorf("after the drain: %v", b.all())
					}
					j.committed(4, 2)
				})
			})
		}
	})
	t.Run("collects in the order of its group", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1")
			release := w.hold("a0")
			var got []string
			j := start(t, l, commitNow(input.GroupByKey().Map(w.echo).Batch(2, 0).Ungroup().Concurrent(4, func(_ context.Context, b []string) error {
				got = b
				return nil
			})))
			release()
			synctest.Wait()
			must(t, j.stop())
			same(t, "the batch", got, []string{"a0", "a1"})
		})
	})
	t.Run("flushes when the budget is full", func(t *testing.T) {
		chains := map[string]func(stream.Stream[string], *batches) stream.Stream[[]string]{
			"per partition": func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.Batch(100, 0).Serial(b.take)
			},
			"per key": func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.GroupByKey().Batch(100, 0).Concurrent(8, b.take)
			},
			"below a commit": func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.CommitBefore(1, 0).Batch(100, 0).Serial(b.take)
			},
			"behind a batch": func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.Batch(3, 0).FlatMap(flat).Batch(100, 0).Serial(b.take)
			},
			"behind a degree": func(s stream.Stream[string], b *batches) stream.Stream[[]string] {
				return s.Concurrent(4, pass[string]).Batch(100, 0).Serial(b.take)
			},
		}
		for name, chain := range chains {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, b := newLog(2), new(batches)
					put(l, 0, count("a", 25)...)
					put(l, 1, count("b", 25)...)
					s := chain(input, b)
					if name != "below a commit" {
						s = commitNow(s)
					}
					j := start(t, l, s, stream.MaxInFlight(10))
					if n := len(strings.Fields(strings.Join(b.all(), " "))); n < 30 {
						t.Errorf("%d came through without a batch that could ever be full: %v", n, b.all())
					}
					must(t, j.stop())
					j.committed(25, 25)
				})
			})
		}
	})
	t.Run("is flushed by a revoke", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), new(batches)
			put(l, 0, "a0", "a1")
			put(l, 1, "b0")
			j := join(t, l, input.Batch(10, time.Hour).Serial(b.take).CommitEvery(100, time.Hour))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			must(t, j.member.Revoke(0, 0))
			same(t, "batches", b.all(), []string{"a0 a1"})
			j.committed(2, -1)
		})
	})
	t.Run("fails the elements of a PartialError alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), new(batches)
			put(l, 0, "a", "b", "c", "d")
			b.do = func(vs []string) error {
				if i := slices.Index(vs, "c"); i >= 0 {
					return &stream.PartialError{Errs: map[int]error{i: errBoom}}
				}
				return nil
			}
			var out results
			j := start(t, l, commitNow(input.Batch(4, 0).Serial(b.take).RetryOnError(every(time.Second, 2)).SkipOnError().
				Serial(func(c ctx, vs []string) error { return out.add(c, strings.Join(vs, " ")) })))
			elapse(time.Minute)
			same(t, "attempts: those that failed alone", b.all(), []string{"a b c d", "c"})
			same(t, "passed on", out.all(), []string{"a b d"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 2 {
				t.Errorf("events: %v", got)
			}
			j.committed(4)
		})
	})
	t.Run("fails as a whole without a PartialError", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), new(batches)
			put(l, 0, "a", "b")
			b.do = func([]string) error { return errBoom }
			j := start(t, l, commitNow(input.Batch(2, 0).Serial(b.take).SkipOnError()))
			if got := heard[stream.Skipped](j); len(got) != 2 {
				t.Errorf("events: %v", got)
			}
			j.committed(2)
		})
	})
	t.Run("fails as a whole when a Map returns a PartialError", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, out, tries := newLog(1), &sink[[]string]{}, 0
			put(l, 0, "a0", "a1", "a2")
			l.Finish()
			s := input.Batch(3, 0).MapSerial(func(_ ctx, b []string) ([]string, error) {
				if tries++; tries == 1 {
					return nil, &stream.PartialError{Errs: map[int]error{1: errBoom}}
				}
				return b, nil
			}).RetryOnError(every(time.Millisecond, 2)).To(out)
			must(t, start(t, l, commitNow(s)).wait())
			if len(out.outs) != 1 || len(out.outs[0].Value) != 3 {
				t.Errorf("the sink got %v", out.outs)
			}
		})
	})
	t.Run("gives its slice to the handler", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 100)...)
			var kept [][]string
			start(t, l, commitNow(input.Batch(5, 0).Serial(func(_ ctx, b []string) error { kept = append(kept, b); return nil })))
			var all []string
			for _, b := range kept {
				all = append(all, b...)
			}
			same(t, "kept", all, count("a", 100))
		})
	})
	t.Run("is collected again after a Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, b := newLog(1), newWork().fail("a2", errBoom), new(batches)
			put(l, 0, "a0", "a1", "a2", "a3")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError().Batch(4, 0).Serial(b.take)))
			same(t, "before", b.all(), nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "after Resume", b.all(), []string{"a0 a1 a2 a3"})
			j.committed(4)
		})
	})
	t.Run("does not start once a drain is out of time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0", "c0")
			for _, v := range []string{"a0", "b0", "c0"} {
				w.hold(v)
			}
			s := input.GroupByKey().Batch(2, 0).Ungroup().Serial(func(c ctx, b []string) error { return w.do(c, b[0]) })
			j := start(t, l, commitNow(s), stream.DrainTimeout(time.Second))
			if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
				t.Error(err)
			}
			if n := len(w.tried()); n != 1 {
				t.Errorf("%d batches were started", n)
			}
		})
	})
	t.Run("lists its records in MetasOf", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c")
			var got []string
			start(t, l, commitNow(input.Batch(3, 0).Serial(func(c ctx, _ []string) error {
				for m := range stream.MetasOf(c) {
					got = append(got, fmt.Sprintf("%v %s", m, m.Key))
				}
				m, _ := stream.MetaOf(c)
				got = append(got, m.String())
				return nil
			})))
			same(t, "metas", got, []string{"t[0]@0 a", "t[0]@1 b", "t[0]@2 c", "t[0]@0"})
		})
	})
}

func TestBatchOfAGroup(t *testing.T) {
	lot := func(v string) byte { return v[1] }
	t.Run("stays one below an Ungroup", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log := newLog(1)
			put(log, 0, "a1", "b2", "c1", "d2")
			log.Finish()
			var got []string
			s := input.GroupBy(lot).Batch(2, 0).Ungroup().Tap(func(_ ctx, b []string) error { got = append(got, strings.Join(b, "+")); return nil })
			must(t, start(t, log, s).wait())
			sameSet(t, "batches", got, []string{"a1+c1", "b2+d2"})
		})
	})
}

func TestBranchOfAGroup(t *testing.T) {
	one := func(string) int { return 0 }
	// run runs a chain on three records of three keys, to its end. Each takes a second in w.
	run := func(t *testing.T, w *work, s strs) {
		t.Helper()
		l := newLog(1)
		w.takes = time.Second
		put(l, 0, "a1", "b1", "c1")
		l.Finish()
		must(t, start(t, l, s).wait())
	}
	inOrder := func(t *testing.T, w *work) {
		t.Helper()
		same(t, "done", w.done(), []string{"a1", "b1", "c1"})
		if w.peak() != 1 {
			t.Errorf("%d at a time of one group", w.peak())
		}
	}
	t.Run("keeps the group's order above another grouping", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			branch := func(s strs) strs { return s.Concurrent(8, w.do) }
			run(t, w, input.GroupBy(one).AlsoTo(branch).Ungroup().GroupByKey().Tap(pass))
			inOrder(t, w)
		})
	})
	for _, nested := range []bool{false, true} {
		t.Run(fmt.Sprintf("works in its groups beside another grouping, in a branch of its own: %t", nested), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWork()
				branch := func(s strs) strs { return s.Concurrent(8, w.do) }
				beside := func(s strs) strs { return s.AlsoTo(branch).Ungroup().GroupByPartition().Concurrent(2, pass) }
				s := input.GroupBy(func(v string) byte { return v[0] })
				if nested {
					s = s.AlsoTo(beside).Ungroup().GroupByPartition().Concurrent(2, pass)
				} else {
					s = beside(s)
				}
				run(t, w, commitNow(s))
				if w.peak() != 3 {
					t.Errorf("%d groups at a time, want 3", w.peak())
				}
			})
		})
	}
	t.Run("leaves the main line in its groups, whatever groups are in it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			lanes := func(s strs) strs { return s.Concurrent(8, pass) }
			branch := func(s strs) strs { return s.Ungroup().GroupByKey().DivertTo(isB, lanes) }
			run(t, w, commitNow(input.GroupBy(one).AlsoTo(branch).Concurrent(8, w.do)))
			inOrder(t, w)
		})
	})
}
