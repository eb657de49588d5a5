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

// shut is a step that makes no call as long as it is shut.
type shut struct {
	open chan struct{}
	work *work
}

func newShut(w *work) *shut { return &shut{make(chan struct{}), w} }

func (s *shut) middleware(next stream.Handler) stream.Handler {
	return func(ctx context.Context, c stream.Call) error {
		select {
		case <-s.open:
			return next(ctx, c)
		default:
			return stream.Postpone(errOther, s.wait)
		}
	}
}

func (s *shut) wait(ctx context.Context) error {
	select {
	case <-s.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// halfTried halts at what fails twice.
func halfTried[T any](s stream.Stream[T]) stream.Stream[T] {
	return s.RetryOnError(every(time.Second, 2)).HaltOnError()
}

func TestPostpone(t *testing.T) {
	t.Run("uses up no attempt and no worker, and asks no policy", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0", "c0", "a1")
			s, other := newShut(w), newWork()
			j := start(t, l, commitNow(input.GroupByKey().MapConcurrent(1, other.echo).Concurrent(1, w.do, stream.Use(s.middleware)).HaltOnError()))
			elapse(time.Hour)
			if snap := j.Snapshot(); snap.Postponed != 3 || snap.Waiting != 3 || snap.Retrying != 0 {
				t.Errorf("snapshot: %+v", snap)
			}
			if got := heard[stream.Postponed](j); len(got) != 3 || !errors.Is(got[0].Err, errOther) || got[0].Attempts != 1 {
				t.Errorf("events: %v", got)
			}
			close(s.open)
			synctest.Wait()
			sameSet(t, "done", w.done(), []string{"a0", "a1", "b0", "c0"})
			same(t, "of key a", w.doneOf("a"), []string{"a0", "a1"})
			j.committed(4)
			if n := len(heard[stream.AttemptFailed](j)) + len(heard[stream.Halted](j)); n != 0 || j.Snapshot().Postponed != 0 {
				t.Errorf("%d failures were told", n)
			}
		})
	})

	t.Run("retries once a second at MaxWaiting, where each wait needs a worker", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c", "d", "e")
			var mu sync.Mutex
			opened, calls := false, 0
			f := func(ctx context.Context, v string) error {
				mu.Lock()
				defer mu.Unlock()
				if calls++; opened {
					return w.do(ctx, v)
				}
				return stream.Postpone(errOther, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			}
			start(t, l, commitNow(input.GroupByKey().Concurrent(2, f).HaltOnError()), stream.MaxWaiting(2))
			elapse(10*time.Second + time.Millisecond)
			// two lent their workers, two keep them, none is left for the fifth
			if calls != 4+2*10 {
				t.Errorf("%d calls", calls)
			}
			mu.Lock()
			opened = true
			mu.Unlock()
			elapse(time.Second)
			if n := len(w.done()); n != 3 { // the two that keep their workers, and then the fifth
				t.Errorf("done: %v", w.done())
			}
		})
	})

	for name, chain := range map[string]func(f func(ctx, []string) error) stream.Stream[string]{
		"an element": func(f func(ctx, []string) error) stream.Stream[string] {
			return commitNow(halfTried(input.Serial(func(c ctx, v string) error { return f(c, []string{v}) })))
		},
		"a batch": func(f func(ctx, []string) error) stream.Stream[string] {
			return commitNow(halfTried(input.GroupByPartition().Batch(2, 0).Tap(f)).FlatMap(flat))
		},
		"a write": func(f func(ctx, []string) error) stream.Stream[string] {
			return commitNow(halfTried(input.GroupByPartition().To(asSink(f))))
		},
		"a transaction": func(f func(ctx, []string) error) stream.Stream[string] {
			return halfTried(input.CommitWith(databaseOf(func(c ctx) error { return f(c, nil) }), 2, 0))
		},
	} {
		for _, named := range []bool{false, true} {
			if named && (name == "an element" || name == "a transaction") {
				continue
			}
			t.Run(fmt.Sprintf("leaves all attempts to %s, named by the error: %t", name, named), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a0", "a1")
					calls := 0
					f := func(_ ctx, vs []string) error {
						err := stream.Whole(errBoom)
						if calls++; calls == 1 {
							err = stream.Postpone(errOther, func(context.Context) error { time.Sleep(time.Second); return nil })
						}
						if named {
							err = &stream.PartialError{Errs: map[int]error{0: err}}
						}
						return err
					}
					j := start(t, l, chain(f))
					elapse(time.Minute)
					if h := j.halt(); h.Attempts != 2 || calls != 3 {
						t.Errorf("%d calls, one of them postponed; %v", calls, h)
					}
				})
			})
		}
	}

	t.Run("leaves an error of the wait to the policies", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b")
			calls := 0
			f := func(ctx context.Context, v string) error {
				if calls++; v == "a" {
					return stream.Postpone(errOther, func(context.Context) error { time.Sleep(time.Second); return errBoom })
				}
				return nil
			}
			j := start(t, l, commitNow(input.Serial(f).RetryOnError(every(time.Second, 2)).SkipOnError()))
			elapse(time.Minute)
			j.committed(2)
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Attempts != 2 || !errors.Is(got[0].Err, errBoom) || calls != 3 {
				t.Errorf("%d calls, events: %v", calls, got)
			}
		})
	})

	t.Run("treats a panicking or missing wait as a failure", func(t *testing.T) {
		for name, wait := range map[string]func(context.Context) error{"panics": func(context.Context) error { panic(errBoom) }, "nil": nil} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a")
					f := func(context.Context, string) error { return stream.Postpone(errBoom, wait) }
					j := start(t, l, commitNow(input.Serial(f).HaltOnError()))
					if h := j.halt(); !errors.Is(h.Err, errBoom) {
						t.Errorf("halt: %v", h)
					}
				})
			})
		}
	})

	t.Run("is given up by a drain, a revoke and a halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("x0", errBoom)
			put(l, 0, "a0")
			put(l, 1, "b0", "x0")
			s := newShut(w)
			j := join(t, l, commitNow(input.GroupByKey().Concurrent(4, func(ctx context.Context, v string) error {
				if v == "x0" {
					return w.do(ctx, v)
				}
				return s.middleware(func(context.Context, stream.Call) error { return w.do(ctx, v) })(ctx, nil)
			}).HaltOnError()))
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			if n := j.Snapshot().Postponed; n != 1 { // x0 halts partition 1 and ends b0's wait
				t.Errorf("%d wait", n)
			}
			must(t, j.member.Revoke(time.Minute, 0))
			if n := j.Snapshot().Postponed; n != 0 {
				t.Errorf("%d wait after the revoke", n)
			}
			began := time.Now()
			must(t, j.stop())
			if took := time.Since(began); took > time.Second {
				t.Errorf("the drain took %v", took)
			}
			committed(t, l, 0, 0)
		})
	})

	t.Run("makes a write to a sink wait as a whole", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), &sink[string]{}
			put(l, 0, "a", "b", "c")
			door := newShut(nil)
			j := start(t, l, commitNow(input.To(sinkFunc[string](func(ctx context.Context, out []stream.Out[string]) error {
				return door.middleware(func(ctx context.Context, _ stream.Call) error { return s.Write(ctx, out) })(ctx, nil)
			})).HaltOnError()))
			elapse(time.Hour)
			if len(s.values()) != 0 || j.Snapshot().Postponed != 1 {
				t.Errorf("written: %v, snapshot: %+v", s.values(), j.Snapshot())
			}
			close(door.open)
			synctest.Wait()
			j.committed(3)
			if n := len(heard[stream.AttemptFailed](j)); n != 0 {
				t.Errorf("%d failures were told", n)
			}
		})
	})

	for name, chain := range map[string]func(store func(ctx, []string) error, w *work) stream.Stream[string]{
		"a batch": func(store func(ctx, []string) error, w *work) stream.Stream[string] {
			return input.GroupByPartition().Batch(6, time.Second).Tap(store).RetryOnError(every(time.Second, 3)).SkipOnError().FlatMap(flat).Tap(w.do)
		},
		"a write": func(store func(ctx, []string) error, w *work) stream.Stream[string] {
			return input.GroupByKey().To(asSink(store)).RetryOnError(every(time.Second, 3)).SkipOnError().Concurrent(8, w.do)
		},
	} {
		// store postpones a, fails b, and takes the others
		store := func(s *shut, calls *[][]string) func(ctx, []string) error {
			return func(_ ctx, vs []string) error {
				*calls = append(*calls, slices.Clone(vs))
				errs := map[int]error{}
				for i, v := range vs {
					select {
					case <-s.open:
					default:
						if v[0] == 'a' {
							errs[i] = stream.Postpone(errOther, s.wait)
						}
					}
					if v[0] == 'b' {
						errs[i] = errBoom
					}
				}
				if len(errs) > 0 {
					return &stream.PartialError{Errs: errs}
				}
				return nil
			}
		}
		t.Run("of some elements has those wait, and no attempt is used up/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w, s := newLog(1), newWork(), newShut(nil)
				var calls [][]string
				put(l, 0, "a0", "c0", "b0", "c1", "a1", "d0")
				j := start(t, l, commitNow(chain(store(s, &calls), w)))
				elapse(time.Hour)
				sameSet(t, "done in the outage", w.done(), []string{"c0", "c1", "d0"})
				if n := j.Snapshot().Postponed; n != 1 {
					t.Errorf("%d wait", n)
				}
				j.committed(0)
				close(s.open)
				elapse(time.Minute)
				sameSet(t, "done", w.done(), []string{"a0", "a1", "c0", "c1", "d0"})
				if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Record != "b0" || got[0].Attempts != 3 {
					t.Errorf("given up: %v", got)
				}
				for _, f := range heard[stream.AttemptFailed](j) {
					if f.Record != "b0" {
						t.Errorf("attempt of %v was used up: %v", f.Record, f.Failure)
					}
				}
				for _, again := range calls[1:] {
					for _, v := range again {
						if v[0] != 'a' && v[0] != 'b' {
							t.Errorf("called again with %s: %v", v, calls)
						}
					}
				}
				j.committed(6)
			})
		})

		t.Run("of some elements is given up by a drain/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w, s := newLog(1), newWork(), newShut(nil)
				var calls [][]string
				put(l, 0, "c0", "a0", "c1", "a1", "d0", "d1")
				j := start(t, l, commitNow(chain(store(s, &calls), w)))
				elapse(time.Minute)
				must(t, j.stop())
				j.committed(1)
				if n := len(calls); n != 1 {
					t.Errorf("calls: %v", calls)
				}
			})
		})

		t.Run("of some elements leaves an error of the wait to the policies/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				put(l, 0, "a0", "c0", "c1", "c2", "a1", "d0")
				calls := 0
				away := func(_ ctx, vs []string) error {
					calls++
					errs := map[int]error{}
					for i, v := range vs {
						if v[0] == 'a' {
							errs[i] = stream.Postpone(errOther, func(context.Context) error { return errBoom })
						}
					}
					if len(errs) > 0 {
						return &stream.PartialError{Errs: errs}
					}
					return nil
				}
				j := start(t, l, commitNow(chain(away, w)))
				elapse(time.Minute)
				got := heard[stream.Skipped](j)
				if len(got) != 2 || got[0].Attempts != 3 || !errors.Is(got[0].Err, errBoom) || !errors.Is(got[1].Err, errOther) || calls != 3 {
					t.Errorf("%d calls, given up: %v", calls, got)
				}
				j.committed(6)
			})
		})
	}

	t.Run("of some elements of a write leaves each its own count of attempts", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "b0", "a0", "a1")
			soon := stream.Postpone(errOther, func(context.Context) error { return nil })
			var attempts []int
			counted := func(next stream.Handler) stream.Handler {
				return func(ctx context.Context, c stream.Call) error {
					attempts = append(attempts, c.Attempt())
					return next(ctx, c)
				}
			}
			store := asSink(func(_ ctx, vs []string) error {
				errs := map[int]error{}
				for i, v := range vs {
					switch {
					case v == "b0":
						errs[i] = errBoom
					case v == "a0" && len(attempts) <= 2:
						errs[i] = soon
					case v == "a0":
						errs[i] = errOther
					}
				}
				return &stream.PartialError{Errs: errs}
			})
			j := start(t, l, commitNow(input.GroupByKey().To(store, stream.Use(counted)).RetryOnError(every(time.Second, 3)).SkipOnError()))
			elapse(time.Minute)
			// the third write is the first attempt of a0 and the last one of b0
			if want := []int{1, 2, 3, 2, 3}; !slices.Equal(attempts, want) {
				t.Errorf("attempts: %v, want %v", attempts, want)
			}
			failed := map[any][]int{}
			for _, f := range heard[stream.AttemptFailed](j) {
				failed[f.Record] = append(failed[f.Record], f.Attempts)
			}
			for _, v := range []string{"a0", "b0"} {
				if got := failed[v]; !slices.Equal(got, []int{1, 2, 3}) {
					t.Errorf("attempts of %s: %v", v, got)
				}
			}
			for _, p := range heard[stream.Postponed](j) {
				if p.Attempts != 1 {
					t.Errorf("postponed: %v", p.Failure)
				}
			}
			j.committed(3)
		})
	})

	for name, chain := range map[string]func(store func(ctx, []string) error) stream.Stream[string]{
		"a batch": func(store func(ctx, []string) error) stream.Stream[string] {
			return input.GroupByPartition().Batch(3, 0).Tap(store).HaltOnError().FlatMap(flat)
		},
		"a batch with a retry": func(store func(ctx, []string) error) stream.Stream[string] {
			return input.GroupByPartition().Batch(3, 0).Tap(store).RetryOnError(every(time.Second, 2), stream.When(is(errOther))).HaltOnError().FlatMap(flat)
		},
		"a write": func(store func(ctx, []string) error) stream.Stream[string] {
			return input.GroupByKey().To(asSink(store)).HaltOnError()
		},
	} {
		t.Run("of some elements does not run them in a partition that another one halts/"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, s := newLog(1), newShut(nil)
				put(l, 0, "a0", "b1", "c2")
				var calls [][]string
				bad := true
				j := start(t, l, commitNow(chain(func(_ ctx, vs []string) error {
					calls = append(calls, slices.Clone(vs))
					errs := map[int]error{}
					for i, v := range vs {
						switch {
						case !bad:
						case v == "a0":
							errs[i] = stream.Postpone(errOther, s.wait)
						case v == "b1":
							errs[i] = errBoom
						case v == "c2" && len(vs) == 3:
							errs[i] = errOther
						}
					}
					if len(errs) > 0 {
						return &stream.PartialError{Errs: errs}
					}
					return nil
				})))
				elapse(time.Minute)
				close(s.open)
				elapse(time.Minute)
				if n := len(calls); n != 1 {
					t.Errorf("calls: %v", calls)
				}
				bad = false
				must(t, j.Resume(j.halt()))
				put(l, 0, "d3")
				elapse(time.Minute)
				must(t, j.stop())
				j.committed(4)
			})
		})
	}

	t.Run("of all elements that an error names makes a batch with a result wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s, w := newLog(1), newShut(nil), newWork()
			put(l, 0, "a0", "a1")
			join := func(_ ctx, vs []string) (string, error) {
				select {
				case <-s.open:
					return strings.Join(vs, "+"), nil
				default:
					return "", &stream.PartialError{Errs: map[int]error{0: nil, 1: stream.Postpone(errOther, s.wait)}}
				}
			}
			j := start(t, l, commitNow(input.Batch(2, 0).Map(join).HaltOnError().Tap(w.do)))
			elapse(time.Hour)
			if n := j.Snapshot().Postponed; n != 1 || len(j.Halts()) != 0 {
				t.Errorf("%d wait, halts: %v", n, j.Halts())
			}
			close(s.open)
			elapse(time.Minute)
			same(t, "done", w.done(), []string{"a0+a1"})
			j.committed(2)
		})
	})

	t.Run("makes a drain give up a write to a sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c")
			door := newShut(nil)
			j := start(t, l, commitNow(input.To(sinkFunc[string](func(context.Context, []stream.Out[string]) error {
				return stream.Postpone(errOther, door.wait)
			})).HaltOnError()))
			must(t, j.stop())
			j.committed(0)
		})
	})

	t.Run("of some elements blames none of them for a transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, v, s := newLog(2), newDatabase(), newShut(nil)
			put(l, 0, "a0", "a1")
			put(l, 1, "x0", "x1")
			for range 100 {
				v.before = append(v.before, func(tx stream.Txn[string]) error {
					errs := map[int]error{}
					for i, e := range tx.Elems {
						select {
						case <-s.open:
						default:
							if e.Value[0] == 'a' {
								errs[i] = stream.Postpone(errOther, s.wait)
							}
						}
						if e.Value == "x1" {
							errs[i] = errBoom
						}
					}
					if len(errs) > 0 {
						return &stream.PartialError{Errs: errs}
					}
					return nil
				})
			}
			j := start(t, l, input.CommitWith(v, 4, 0).HaltOnError())
			elapse(time.Hour)
			if h := j.halt(); h.Meta.Partition != 1 || h.Meta.Offset != 1 {
				t.Error(h)
			}
			close(s.open)
			elapse(time.Minute)
			if h := j.halt(); h.Meta.Partition != 1 {
				t.Error(h)
			}
			if got := v.stored(); !slices.Contains(got, "a0") || !slices.Contains(got, "a1") {
				t.Errorf("stored: %v", got)
			}
			must(t, j.stop())
		})
	})

	t.Run("makes a transaction wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, v := newLog(1), newDatabase()
			put(l, 0, "a0")
			door := newShut(nil)
			j := start(t, l, input.CommitWith(v, 1, 0, stream.Use(door.middleware)).HaltOnError())
			elapse(time.Hour)
			if n := j.Snapshot().Postponed; n != 1 || len(j.Halts()) != 0 {
				t.Errorf("%d wait, halts: %v", n, j.Halts())
			}
			close(door.open)
			synctest.Wait()
			same(t, "stored", v.stored(), []string{"a0"})
			if n := len(heard[stream.AttemptFailed](j)); n != 0 {
				t.Errorf("%d failures were told", n)
			}
		})
	})
}

func TestTell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a")
		var once sync.Once
		told := func(next stream.Handler) stream.Handler {
			return func(ctx context.Context, c stream.Call) error {
				once.Do(func() { stream.Tell(ctx, "seen", "for the first time", errBoom) })
				return next(ctx, c)
			}
		}
		j := start(t, l, commitNow(input.Serial(pass, stream.Named("charge"), stream.Use(told))))
		want := []stream.StepEvent{{Step: "charge", Name: "seen", Text: "for the first time", Err: errBoom}}
		if got := heard[stream.StepEvent](j); !slices.Equal(got, want) {
			t.Errorf("events: %v", got)
		}
	})
	if stream.Tell(t.Context(), "seen", "", nil) {
		t.Error("told by a context that is not a step's")
	}
	if s := stream.Postpone(errBoom, nil).Error(); !strings.Contains(s, "boom") {
		t.Error(s)
	}
}
