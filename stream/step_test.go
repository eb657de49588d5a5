package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestStep(t *testing.T) {
	t.Run("is wrapped by the middleware given to Build, outside of its own", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			var log []string
			wrap := func(name string) stream.StepOrOption {
				return stream.Use(func(next stream.Handler) stream.Handler {
					return func(c ctx, call stream.Call) error {
						log = append(log, name+" around "+call.Step())
						return next(c, call)
					}
				})
			}
			all := func(string) bool { return true }
			s := input.Filter(all, stream.Named("filter")).Serial(w.do, stream.Named("work"), wrap("own")).To(&sink[string]{}, stream.Named("write"))
			start(t, l, commitNow(s), wrap("first"), wrap("second"))
			same(t, "log", log, []string{
				"first around filter", "second around filter",
				"first around work", "second around work", "own around work",
				"first around write", "second around write",
			})
		})
	})
	t.Run("is bounded by the Timeout given to Build, unless it has its own", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			left := map[string]time.Duration{}
			look := func(name string) func(ctx, string) error {
				return func(c ctx, _ string) error {
					end, _ := c.Deadline()
					left[name] = time.Until(end)
					return nil
				}
			}
			s := input.Tap(look("tap")).Serial(look("own"), stream.Named("own"), stream.Timeout(time.Second))
			j := start(t, l, commitNow(s), stream.Timeout(time.Minute))
			if left["tap"] != time.Minute || left["own"] != time.Second {
				t.Errorf("time left: %v", left)
			}
			steps := j.Describe().Stages[0].Steps
			if steps[0].Detail != "each attempt within 1m0s" || steps[1].Detail != "each attempt within 1s" {
				t.Errorf("described as %q and %q", steps[0].Detail, steps[1].Detail)
			}
		})
	})
	t.Run("has its Timeout per attempt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, n := newLog(1), 0
			put(l, 0, "a")
			began := time.Now()
			var cause error
			j := start(t, l, commitNow(input.Serial(func(c ctx, _ string) error {
				if n++; n == 3 {
					return nil
				}
				<-c.Done()
				cause = context.Cause(c)
				return c.Err()
			}, stream.Named("slow"), stream.Timeout(time.Second)).RetryOnError(every(0, 3))))
			elapse(time.Minute)
			j.committed(1)
			got := heard[stream.Retrying](j)
			if len(got) != 2 || time.Since(began) > 2*time.Minute {
				t.Errorf("retries: %v", got)
			}
			if !errors.Is(cause, context.DeadlineExceeded) || !strings.Contains(cause.Error(), "slow took longer than its Timeout of 1s") {
				t.Errorf("cause: %v", cause)
			}
		})
	})
	t.Run("in a Via has the policies below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b!", errBoom)
			put(l, 0, "a", "b")
			var shout stream.Pipe[string, string] = func(s stream.Stream[string]) stream.Stream[string] {
				return s.Map(func(_ ctx, v string) (string, error) { return v + "!", nil }).Serial(w.do)
			}
			j := start(t, l, commitNow(input.Via(shout).HaltOnError()))
			if h := j.halt(); h.Meta.Offset != 1 {
				t.Errorf("halt: %v", h)
			}
			j.committed(1)
		})
	})
}

func TestFlatMap(t *testing.T) {
	t.Run("works with Map and Filter", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c")
			j := start(t, l, commitNow(input.Filter(func(v string) bool { return v != "b" }).FlatMap(thrice).
				Map(func(_ ctx, v string) (string, error) { return v + "!", nil }).Filter(func(v string) bool { return v != "a2!" }).Serial(w.do)))
			same(t, "done", w.done(), []string{"a1!", "a3!", "c1!", "c2!", "c3!"})
			j.committed(3)
		})
	})
	t.Run("is finished when all its children are", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			release := w.hold("a2")
			j := start(t, l, commitNow(input.FlatMap(thrice).Concurrent(1, pass).Concurrent(3, w.do)))
			sameSet(t, "done", w.done(), []string{"a1", "a3"})
			j.committed(-1)
			release()
			synctest.Wait()
			j.committed(1)
		})
	})
	t.Run("keeps the sequence's context beyond its Timeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			w.takes = time.Minute
			put(l, 0, "a")
			rows := func(c ctx, v string) (iter.Seq[string], error) {
				return func(yield func(string) bool) {
					for n := 1; n <= 3 && c.Err() == nil && yield(fmt.Sprint(v, n)); n++ {
					}
				}, nil
			}
			j := start(t, l, commitNow(input.FlatMap(rows, stream.Timeout(time.Second)).Serial(w.do)))
			elapse(time.Hour)
			same(t, "done", w.done(), []string{"a1", "a2", "a3"})
			j.committed(1)
		})
	})
	t.Run("fails where f takes longer than its Timeout, and returns a sequence all the same", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			late := func(_ ctx, v string) (iter.Seq[string], error) {
				time.Sleep(time.Minute)
				return slices.Values([]string{v}), nil
			}
			j := start(t, l, commitNow(input.FlatMap(late, stream.Timeout(time.Second)).HaltOnError()))
			elapse(time.Hour)
			if h := j.halt(); !errors.Is(h.Err, context.DeadlineExceeded) {
				t.Errorf("halt: %v", h)
			}
		})
	})
	t.Run("ends the context of a sequence that a middleware refuses", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			var refused ctx
			refuse := func(next stream.Handler) stream.Handler {
				return func(c ctx, call stream.Call) error {
					if err := next(c, call); err != nil || call.Attempt() > 1 {
						return err
					}
					return errBoom
				}
			}
			rows := func(c ctx, v string) (iter.Seq[string], error) {
				if refused == nil {
					refused = c
				}
				return slices.Values([]string{v}), nil
			}
			j := start(t, l, commitNow(input.FlatMap(rows, stream.Use(refuse)).RetryOnError(every(time.Second, 2)).Tap(w.do)))
			elapse(time.Minute)
			if same(t, "done", w.done(), []string{"a"}); refused.Err() == nil {
				t.Error("it has not ended")
			}
			j.committed(1)
		})
	})
	t.Run("takes a slice as FlatMapSlice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c", "d")
			release := w.hold("d2")
			parts := func(_ ctx, v string) ([]string, error) {
				switch v {
				case "a":
					return nil, nil // it is finished
				case "c":
					return []string{"lost"}, errBoom
				}
				return []string{v + "1", v + "2"}, nil
			}
			j := start(t, l, commitNow(input.FlatMapSlice(parts, stream.Named("parts")).SkipOnError().Serial(w.do)))
			same(t, "done", w.done(), []string{"b1", "b2", "d1"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Step != "parts" || got[0].Meta.Offset != 2 {
				t.Errorf("events: %v", got)
			}
			j.committed(3)
			release()
			synctest.Wait()
			j.committed(4)
		})
	})
	t.Run("fails its record when it panics midway", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.FlatMap(func(_ ctx, v string) (seq[string], error) {
				return func(yield func(string) bool) {
					if yield(v+"1") && v == "a" {
						panic(errBoom)
					}
				}, nil
			}).RetryOnError(every(0, 5)).SkipOnError().Serial(w.do)))
			same(t, "done", w.done(), []string{"a1", "b1"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 0 || !errors.Is(got[0].Err, errBoom) {
				t.Errorf("events: %v", got)
			}
			j.committed(2)
		})
	})
}

func TestThrottle(t *testing.T) {
	t.Run("limits the rate", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 6)...)
			put(l, 1, count("b", 6)...)
			j := start(t, l, commitNow(input.GroupByPartition().Throttle(2, 4).Concurrent(4, w.do)))
			for i, want := range []int{4, 6, 8, 10, 12, 12} {
				if n := len(w.done()); n != want {
					t.Errorf("after %d s: %d are through, want %d", i, n, want)
				}
				elapse(time.Second)
			}
			same(t, "order", w.doneOf("a"), count("a", 6))
			j.committed(6, 6)
		})
	})
	t.Run("holds no worker", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a0", "a1")
			put(l, 1, "b0", "b1")
			slow := input.GroupByPartition().Filter(func(v string) bool { return true }).Concurrent(1, w.do)
			j := start(t, l, commitNow(slow.Throttle(0.001, 1)))
			// The throttle runs in the one worker. One element passes at once; while the next waits,
			// the other partition is worked on.
			if n := len(w.tried()); n != 3 {
				t.Errorf("started: %v, want one that is through and two that wait", w.tried())
			}
			j.cancel()
		})
	})
}

func TestTap(t *testing.T) {
	t.Run("passes on what it got, in the worker of the degree word below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, tap, w := newLog(1), newWork(), newWork()
			put(l, 0, "a", "b", "c", "d")
			tap.takes = time.Second
			j := start(t, l, commitNow(input.Tap(tap.do).Concurrent(2, w.do)))
			elapse(time.Minute)
			if tap.peak() != 2 {
				t.Errorf("%d taps at a time, want 2", tap.peak())
			}
			sameSet(t, "done", w.done(), []string{"a", "b", "c", "d"})
			j.committed(4)
		})
	})
	t.Run("that fails leaves the element to the policies below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "bad", "c")
			j := start(t, l, commitNow(input.Tap(newWork().poison("bad", errBoom).do).SkipOnError().Serial(w.do)))
			same(t, "done", w.done(), []string{"a", "c"})
			j.committed(3)
		})
	})
}
