package stream_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// patient tries until it succeeds, with long waits.
func patient(wait time.Duration) stream.RetryPolicy {
	return stream.RetryPolicy{Unlimited: true, FirstWait: wait, MaxWait: wait}
}

// all does the elements of a batch, or fails for one of them.
func (w *work) all(ctx context.Context, vs []string) error {
	for _, v := range vs {
		w.mu.Lock()
		err := w.always[v]
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
	for _, v := range vs {
		if err := w.do(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func elements(_ context.Context, vs []string) (iter.Seq[string], error) {
	return slices.Values(vs), nil
}

// hot appends a record of b and several of a, so often.
func hot(l *testLog, from, n int) {
	for i := range n {
		put(l, 0, fmt.Sprint("b", from+i))
		put(l, 0, numbered("a", 10*(from+i), 10)...)
	}
}

func TestStall(t *testing.T) {
	const n = 500
	few := stream.MaxInFlight(64)
	wait := 5 * time.Second
	byKey := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(patient(wait)).HaltOnError())
	}
	settled := func(t *testing.T, j *job, w *work, l *testLog, n int) {
		t.Helper()
		same(t, "a", w.doneOf("a"), count("a", 10*n))
		same(t, "b", w.doneOf("b"), count("b", n))
		if s := j.Snapshot().Partitions[0]; s.SetAside != 0 || s.Totals.Delivered != s.Totals.Finished {
			t.Errorf("snapshot: %+v", s)
		}
		must(t, j.stop())
		j.committed(int64(11 * n))
	}
	t.Run("stops neither its partition nor what comes behind it", func(t *testing.T) {
		for name, chain := range map[string]func(w *work) stream.Stream[string]{
			"in one step": byKey,
			"in the second step": func(w *work) stream.Stream[string] {
				return commitNow(input.GroupByKey().MapConcurrent(4, newWork().echo).
					Concurrent(4, w.do).RetryOnError(patient(wait)).HaltOnError())
			},
			"in a batch": func(w *work) stream.Stream[string] {
				return commitNow(input.GroupByKey().Batch(3, time.Second).Concurrent(4, w.all).FlatMap(elements).RetryOnError(patient(wait)).HaltOnError())
			},
			"with CommitEach": func(w *work) stream.Stream[string] {
				return input.GroupByKey().Concurrent(4, w.do).RetryOnError(patient(wait)).HaltOnError().CommitEach()
			},
			"in one partition at a time": func(w *work) stream.Stream[string] {
				return commitNow(input.GroupByKey().Concurrent(4, w.do, stream.MaxPartitions(1)).RetryOnError(patient(wait)).HaltOnError())
			},
			"in a branch": func(w *work) stream.Stream[string] {
				return commitNow(input.GroupByKey().AlsoTo(func(s stream.Stream[string]) stream.Stream[string] {
					return s.Concurrent(4, w.do).RetryOnError(patient(wait)).HaltOnError()
				}).Concurrent(4, pass))
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().poison("b7", errBoom)
					hot(l, 0, n)
					j := start(t, l, chain(w), stream.MaxInFlight(256))
					elapse(10 * time.Minute)
					same(t, "a", w.doneOf("a"), count("a", 10*n))
					most := 3 // a batch
					if name == "in the second step" || name == "in a branch" {
						most = 255 // what had begun before it stalled: less than MaxInFlight
					}
					s := j.Snapshot().Partitions[0]
					if s.SetAside != 1 || s.InFlight > most || s.Full != stream.CauseNone {
						t.Errorf("%d in flight, %d set aside: %s", s.InFlight, s.SetAside, j.Explain(at(0)))
					}
					w.poison("b7", nil)
					elapse(time.Minute)
					settled(t, j, w, l, n)
				})
			})
		}
	})
	t.Run("drops what is queued", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			put(l, 0, count("b", n)...)
			put(l, 0, "a0")
			j := start(t, l, byKey(w), few) // b has all of MaxInFlight
			elapse(time.Minute)
			same(t, "a", w.doneOf("a"), []string{"a0"})
			w.poison("b0", nil)
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", n))
			must(t, j.stop())
			j.committed(n + 1)
		})
	})
	t.Run("is no stall while it is short, or its lane holds little", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom, errBoom).poison("c0", errBoom)
			put(l, 0, "c0", "c1")
			hot(l, 0, n)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(patient(300*time.Millisecond)).HaltOnError()), stream.MaxInFlight(200))
			elapse(time.Minute)
			for _, e := range heard[stream.SourceEvent](j) {
				t.Errorf("told: %v", e)
			}
		})
	})
	t.Run("is taken up by the next worker", func(t *testing.T) {
		for _, crash := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().poison("b7", errBoom)
				hot(l, 0, n)
				j := join(t, l, byKey(w), few)
				must(t, j.member.Assign(0))
				elapse(10 * time.Minute)
				if crash {
					j.member.Crash()
					<-j.ended
				} else {
					must(t, j.stop())
				}
				w.poison("b7", nil)
				j = start(t, l, byKey(w), few)
				elapse(time.Minute)
				settled(t, j, w, l, n)
			})
		}
	})
	t.Run("may follow another", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			for i := range 20 {
				w.fail(fmt.Sprint("b", 20*i), errBoom, errBoom)
			}
			hot(l, 0, n)
			j := start(t, l, byKey(w), few)
			elapse(10 * time.Minute)
			settled(t, j, w, l, n)
		})
	})
	t.Run("may end in a park", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b7", errBoom)
			hot(l, 0, n)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(stream.RetryPolicy{MaxAttempts: 3, FirstWait: wait}).ParkOnError()), few)
			elapse(time.Minute)
			if h := j.halt(); h.AsideFrom != 8*11 {
				t.Errorf("halt: %+v", h)
			}
			w.poison("b7", nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			settled(t, j, w, l, n)
		})
	})
	t.Run("of many lanes does not hold up another that is read again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			var keys []string
			for k := '0'; k < '0'+80; k++ {
				keys = append(keys, string(k))
				put(l, 0, count(string(k), 20)...)
				w.poison(string(k)+"0", errBoom)
			}
			j := start(t, l, byKey(w), stream.MaxInFlight(100))
			elapse(time.Minute)
			if s := j.Snapshot().Partitions[0]; s.SetAside != len(keys) {
				t.Fatalf("%d are set aside: %s", s.SetAside, j.Explain(at(0)))
			}
			for _, k := range keys[1:] {
				w.poison(k+"9", errBoom)
				w.poison(k+"0", nil)
			}
			elapse(time.Minute)
			w.poison(keys[0]+"0", nil)
			elapse(time.Minute)
			same(t, keys[0], w.doneOf(keys[0]), count(keys[0], 20))
			same(t, keys[1], w.doneOf(keys[1]), count(keys[1], 9))
		})
	})
	t.Run("is finished before an exhausted source ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b7", errBoom, errBoom, errBoom)
			hot(l, 0, n)
			l.Finish()
			j := start(t, l, byKey(w), few)
			elapse(time.Minute)
			must(t, j.wait())
			same(t, "b", w.doneOf("b"), count("b", n))
			j.committed(11 * n)
		})
	})
	t.Run("is none of what is postponed, as by a breaker", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			hot(l, 0, n)
			postpone := func(_ context.Context, v string) error {
				if v[0] != 'b' {
					return nil
				}
				return stream.Postpone(errBoom, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			}
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, postpone).RetryOnError(patient(wait)).HaltOnError()), few)
			elapse(10 * time.Minute)
			if s := j.Snapshot().Partitions[0]; s.SetAside != 0 || s.Full != stream.CauseBudget {
				t.Errorf("snapshot: %+v", s)
			}
		})
	})
	t.Run("sets nothing aside where that would undo an order", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, first := newLog(1), newWork().poison("b7", errBoom), newWork()
			hot(l, 0, n)
			j := start(t, l, commitNow(input.GroupByPartition().MapConcurrent(1, first.echo).GroupByKey().Concurrent(4, w.do).RetryOnError(patient(wait)).HaltOnError()), few)
			elapse(10 * time.Minute)
			if s := j.Snapshot().Partitions[0]; s.SetAside != 0 || s.Full != stream.CauseBudget {
				t.Errorf("snapshot: %+v", s)
			}
		})
	})
	t.Run("is one, too, if the wait is as long as a duration can be", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			ever := func(f stream.Failure) time.Duration {
				if f.Attempts == 1 {
					return time.Millisecond
				}
				return math.MaxInt64
			}
			hot(l, 0, 100)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).RetryOnError(stream.RetryPolicy{Unlimited: true, Wait: ever})), few)
			elapse(time.Minute)
			same(t, "b", w.doneOf("b"), count("b", 100))
			if n := j.Snapshot().Partitions[0].SetAside; n != 1 {
				t.Errorf("%d lanes set aside", n)
			}
		})
	})
}
