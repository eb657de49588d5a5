package stream_test

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// batchStore handles batches. It fails a batch with a bad element, and does not name the element.
type batchStore struct {
	mu    sync.Mutex
	bad   map[string]error
	calls [][]string
	seen  map[string]int
	kept  []string

	failed func() // is called when a call fails
}

func newBatchStore(bad ...string) *batchStore {
	s := &batchStore{bad: map[string]error{}, seen: map[string]int{}}
	for _, v := range bad {
		s.bad[v] = errBoom
	}
	return s
}

// called is the calls so far.
func (s *batchStore) called() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *batchStore) store(_ ctx, vs []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, slices.Clone(vs))
	var err error
	for _, v := range vs {
		s.seen[v]++
		if err == nil {
			err = s.bad[v]
		}
	}
	if err == nil {
		s.kept = append(s.kept, vs...)
	} else if s.failed != nil {
		s.failed()
	}
	return err
}

func (s *batchStore) join(c ctx, vs []string) (string, error) {
	return strings.Join(vs, "+"), s.store(c, vs)
}

// fix makes all elements good.
func (s *batchStore) fix() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.bad)
}

// sinkOf is a sink whose writes are f.
func sinkOf(f func(ctx) error) stream.Sink[string] {
	return writes(func(c ctx, _ []stream.Out[string]) error { return f(c) })
}

type writes func(ctx, []stream.Out[string]) error

func (f writes) Write(c ctx, es []stream.Out[string]) error { return f(c, es) }

// slowDatabase is a database whose Commits are f.
type slowDatabase struct {
	*database
	f func(ctx) error
}

func databaseOf(f func(ctx) error) stream.Transactor[string] { return &slowDatabase{newDatabase(), f} }

func (b *slowDatabase) Commit(c ctx, _ stream.Txn[string]) error { return b.f(c) }

func without(vs []string, bad ...string) []string {
	return slices.DeleteFunc(slices.Clone(vs), func(v string) bool { return slices.Contains(bad, v) })
}

// bisected makes a batch or a write of n elements fail as a batchStore does.
var bisected = map[string]func(n int, store func(ctx, []string) error, policy string) stream.Stream[string]{
	"a batch": func(n int, store func(ctx, []string) error, policy string) stream.Stream[string] {
		return under(policy, input.GroupByPartition().Batch(n, time.Second).Tap(store, stream.Bisect())).FlatMap(flat)
	},
	"a write": func(_ int, store func(ctx, []string) error, policy string) stream.Stream[string] {
		return under(policy, input.GroupByPartition().To(asSink(store)))
	},
}

func under[T any](policy string, s stream.Stream[T]) stream.Stream[T] {
	switch policy {
	case "halt":
		return s.HaltOnError()
	case "retry":
		return s.RetryOnError(every(time.Second, 2)).SkipOnError()
	}
	return s.SkipOnError()
}

func TestBisect(t *testing.T) {
	for name, chain := range bisected {
		t.Run("halts at the culprit, before later elements are tried/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				all := count("a", 8)
				l, s := newLog(1), newBatchStore("a3")
				put(l, 0, all...)
				j := start(t, l, commitNow(chain(8, s.store, "halt")))
				elapse(time.Minute)
				h := j.halt()
				if h.Meta.Offset != 3 || h.Last != 3 || strings.Trim(fmt.Sprint(h.Value), "[]") != "a3" {
					t.Errorf("halt: %v", h)
				}
				same(t, "kept", s.kept, all[:3])
				j.committed(3)
				must(t, j.Skip(h))
				elapse(time.Minute)
				same(t, "kept in the end, nothing twice", s.kept, without(all, "a3"))
				j.committed(8)
			})
		})

		t.Run("retries the rest as a whole after a failure of the whole/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				all := count("a", 8)
				l, s := newLog(1), newBatchStore("a0", "a6")
				put(l, 0, all...)
				outage := false
				store := func(c ctx, vs []string) error {
					if len(vs) == 2 && vs[0] == "a2" && !outage {
						outage = true
						return stream.Whole(errBoom)
					}
					return s.store(c, vs)
				}
				j := start(t, l, commitNow(chain(8, store, "retry")))
				elapse(1500 * time.Millisecond)
				if got := fmt.Sprint(s.called()); !strings.HasSuffix(got, "[a0] [a1]]") {
					t.Errorf("before the outage ends: %s", got)
				}
				elapse(time.Minute)
				same(t, "kept", s.kept, without(all, "a0", "a6"))
				if n := len(heard[stream.Skipped](j)); n != 2 {
					t.Errorf("%d are given up", n)
				}
				j.committed(8)
			})
		})

		t.Run("is bounded/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				all := count("a", 64)
				l, s := newLog(1), newBatchStore(all[1:]...)
				put(l, 0, all...)
				j := start(t, l, commitNow(chain(64, s.store, "skip")))
				elapse(time.Minute)
				if n := len(s.called()); n != 1+4*6+8 {
					t.Errorf("%d calls", n)
				}
				same(t, "kept", s.kept, []string{"a0"})
				if n := len(heard[stream.Skipped](j)); n != 63 {
					t.Errorf("%d are given up", n)
				}
				j.committed(64)
			})
		})
	}
}

func TestBisectBatch(t *testing.T) {
	ordered := func(s *batchStore, n int, opts ...stream.StepOption) stream.Stream[[]string] {
		return input.GroupByPartition().Batch(n, time.Second).Tap(s.store, append(opts, stream.Bisect())...)
	}

	t.Run("makes the policy act on the culprits alone", func(t *testing.T) {
		for _, bad := range [][]string{{"a0"}, {"a18"}, {"a7"}, {"a0", "a18"}, {"a8", "a9"}} {
			bubble(t, func(t *testing.T) {
				all := count("a", 19)
				l, s := newLog(1), newBatchStore(bad...)
				put(l, 0, all...)
				j := start(t, l, commitNow(ordered(s, 19).RetryOnError(every(time.Second, 3)).SkipOnError()))
				elapse(time.Minute)
				same(t, "kept, in order", s.kept, without(all, bad...))
				var given []string
				for _, e := range heard[stream.Skipped](j) {
					given = append(given, e.Record.(string))
				}
				same(t, "given up", given, bad)
				for _, v := range without(all, bad...) {
					if n := s.seen[v]; n > 2+bits.Len(18)+2 {
						t.Errorf("%s was seen %d times", v, n)
					}
				}
				if n := len(s.called()); n > 3+4*5+8 {
					t.Errorf("%d calls", n)
				}
				j.committed(19)
			})
		}
	})

	t.Run("is for the step that says so", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("a1")
			put(l, 0, count("a", 4)...)
			j := start(t, l, commitNow(input.Batch(4, 0).Tap(s.store).SkipOnError()))
			elapse(time.Minute)
			if n := len(heard[stream.Skipped](j)); n != 4 || len(s.called()) != 1 {
				t.Errorf("%d are given up after %v", n, s.called())
			}
		})
	})

	t.Run("makes a result of each part", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s, w := newLog(1), newBatchStore("a2"), newWork()
			put(l, 0, count("a", 4)...)
			j := start(t, l, commitNow(input.Batch(4, 0).Map(s.join, stream.Bisect()).SkipOnError().Tap(w.do)))
			elapse(time.Minute)
			same(t, "results", w.done(), []string{"a0+a1", "a3"})
			j.committed(4)
		})
	})

	t.Run("is not for failures of the whole", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			all := count("a", 4)
			l, s := newLog(1), newBatchStore()
			s.bad["a2"] = stream.Whole(errBoom)
			put(l, 0, all...)
			j := start(t, l, commitNow(ordered(s, 4).HaltOnError()))
			elapse(time.Minute)
			h := j.halt()
			if h.Meta.Offset != 0 || h.Last != 3 || len(s.called()) != 1 || !strings.Contains(h.String(), "one of t[0]@0 … @3") {
				t.Errorf("after %v: %v", s.called(), h)
			}
			if err := j.Skip(h); !errors.Is(err, stream.ErrSeveral) {
				t.Error(err)
			}
			must(t, j.SkipRange(h, 2, 2))
			elapse(time.Minute)
			same(t, "kept", s.kept, without(all, "a2"))
			if n := len(heard[stream.Skipped](j)); n != 1 {
				t.Errorf("%d are given up", n)
			}
			j.committed(4)
		})
	})

	t.Run("is not for an attempt that outlasts its Timeout, whatever its error", func(t *testing.T) {
		calls := 0
		slow := func(c ctx) error { calls++; <-c.Done(); return errBoom }
		for name, chain := range map[string]stream.Stream[string]{
			"a batch": commitNow(input.GroupByPartition().Batch(4, time.Second).Tap(func(c ctx, _ []string) error { return slow(c) }, stream.Bisect(), stream.Timeout(time.Second)).
				HaltOnError().FlatMap(flat)),
			"a write":       commitNow(input.GroupByPartition().To(sinkOf(slow), stream.Timeout(time.Second)).HaltOnError()),
			"a transaction": input.CommitWith(databaseOf(slow), 4, time.Second, stream.Timeout(time.Second)).HaltOnError(),
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					calls = 0
					l := newLog(1)
					put(l, 0, count("a", 4)...)
					j := start(t, l, chain)
					elapse(time.Minute)
					if h := j.halt(); calls != 1 || h.Meta.Offset != 0 || h.Last != 3 || !errors.Is(h.Err, errBoom) {
						t.Errorf("after %d calls: %v", calls, h)
					}
				})
			})
		}
	})

	t.Run("blames no element if nothing succeeds and no order is kept", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			all := count("a", 64)
			l, s := newLog(1), newBatchStore(all...)
			put(l, 0, all...)
			j := start(t, l, commitNow(input.Batch(64, 0).Concurrent(4, s.store, stream.Bisect()).HaltOnError()))
			elapse(time.Minute)
			if h := j.halt(); h.Meta.Offset != 0 || h.Last != 63 {
				t.Error(h)
			}
			if n := len(s.called()); n > 1+4*6+8 {
				t.Errorf("%d calls", n)
			}
			s.fix()
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			sameSet(t, "kept", s.kept, all)
		})
	})

	t.Run("blames the elements that errors of its parts name, even if these are alike", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 4)...)
			handle := func(_ ctx, vs []string) error {
				if len(vs) == 4 {
					return errBoom
				}
				return &stream.PartialError{Errs: map[int]error{0: errBoom}}
			}
			j := start(t, l, commitNow(input.Batch(4, 0).Concurrent(1, handle, stream.Bisect()).SkipOnError()))
			elapse(time.Minute)
			var given []string
			for _, e := range heard[stream.Skipped](j) {
				given = append(given, e.Record.(string))
			}
			same(t, "given up", given, []string{"a0", "a2"})
			j.committed(4)
		})
	})

	t.Run("is refused without batches", func(t *testing.T) {
		s := newBatchStore()
		for name, c := range map[string]stream.Stream[string]{
			"an element":     input.Tap(newWork().do, stream.Bisect()),
			"another value":  input.Batch(2, 0).Map(s.join).Tap(newWork().do, stream.Bisect()),
			"a transaction":  input.CommitWith(newDatabase(), 2, 0, stream.Bisect()),
			"another slice":  input.Batch(2, 0).Map(func(_ ctx, vs []string) ([]string, error) { return vs[1:], nil }).Map(s.join, stream.Bisect()),
			"another's word": input.Filter(func(string) bool { return true }, stream.Bisect()),
		} {
			_, err := c.Build(newLog(1).Source())
			if err == nil || !strings.Contains(err.Error(), "Bisect on a step that gets no batches") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestBisectGoesOn(t *testing.T) {
	t.Run("without a member that was parked meanwhile", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("d3")
			reached, parked := make(chan struct{}), make(chan struct{})
			join := func(c ctx, vs []string) (string, error) {
				if len(vs) == 2 && vs[0] == "a0" {
					close(reached)
					<-parked
				}
				return s.join(c, vs)
			}
			put(l, 0, "a0", "b1", "c2", "d3")
			j := start(t, l, commitNow(input.Batch(4, time.Second).MapConcurrent(1, join, stream.Bisect()).SkipOnError()))
			<-reached
			j.parkKey(t, "c")
			close(parked)
			elapse(time.Minute)
			same(t, "kept beside it", s.kept, []string{"a0", "b1"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Record != "d3" {
				t.Errorf("given up: %v", got)
			}
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			same(t, "kept", s.kept, []string{"a0", "b1", "c2"})
			j.committed(4)
		})
	})
	t.Run("not in a partition that was halted meanwhile, and settles no member twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), newBatchStore("a0", "a1")
			reached, halted := make(chan struct{}), make(chan struct{})
			join := func(c ctx, vs []string) (string, error) {
				switch {
				case vs[0] == "b4" && len(s.called()) < 4:
					<-reached
					return "", stream.Whole(errOther)
				case len(vs) == 1 && vs[0] == "a1" && len(s.called()) == 3:
					close(reached)
					<-halted
				}
				return s.join(c, vs)
			}
			j := start(t, l, commitNow(input.Batch(4, time.Second).MapConcurrent(2, join, stream.Bisect()).HaltOnError()))
			for _, v := range []string{"a0", "a1", "a2", "a3", "b4", "b5", "b6", "b7"} {
				put(l, 0, v)
				synctest.Wait() // batches are collected in no order
			}
			<-reached
			elapse(time.Second)
			if h := j.halt(); h.Meta.Offset != 4 {
				t.Errorf("halt: %v", h)
			}
			close(halted)
			elapse(time.Minute)
			s.fix()
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			sameSet(t, "kept", s.kept, []string{"a0", "a1", "a2", "a3", "b4", "b5", "b6", "b7"})
			j.committed(8)
		})
	})
}
