package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/laneway-go/laneway/stream"
)

func TestMiddleware(t *testing.T) {
	t.Run("runs in the given order", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			var log []string
			wrap := func(name string) stream.Middleware {
				return func(next stream.Handler) stream.Handler {
					return func(c ctx, call stream.Call) error {
						log = append(log, fmt.Sprintf("%s before %s %v %d", name, call.Step(), call.Meta(), call.Attempt()))
						err := next(c, call)
						log = append(log, fmt.Sprintf("%s after %v", name, err))
						return err
					}
				}
			}
			w := newWork().fail("a", errBoom)
			start(t, l, commitNow(input.Serial(w.do, stream.Named("s"), stream.Use(wrap("outer"), wrap("inner"))).RetryOnError(every(0, 2))))
			same(t, "log", log, []string{
				"outer before s t[0]@0 1", "inner before s t[0]@0 1", "inner after boom", "outer after boom",
				"outer before s t[0]@0 2", "inner before s t[0]@0 2", "inner after <nil>", "outer after <nil>",
			})
		})
	})
	t.Run("is wrapped once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, count("a", 100)...)
			var wrapped, called atomic.Int64
			j := start(t, l, commitNow(input.Concurrent(8, pass, stream.Use(func(next stream.Handler) stream.Handler {
				wrapped.Add(1)
				return func(c ctx, call stream.Call) error { called.Add(1); return next(c, call) }
			}))))
			if wrapped.Load() != 1 || called.Load() != 100 {
				t.Errorf("wrapped %d times, called %d times", wrapped.Load(), called.Load())
			}
			j.committed(100)
		})
	})
	t.Run("fails the element when it does not call next", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c")
			silent := func(next stream.Handler) stream.Handler {
				return func(c ctx, call stream.Call) error {
					if call.Meta().Offset == 1 {
						return nil
					}
					return next(c, call)
				}
			}
			j := start(t, l, commitNow(input.Map(func(_ ctx, v string) (string, error) { return v + "!", nil }, stream.Use(silent)).SkipOnError().Serial(w.do)))
			same(t, "passed on", w.done(), []string{"a!", "c!"})
			if got := heard[stream.Skipped](j); len(got) != 1 || !errors.Is(got[0].Err, stream.ErrNotCalled) {
				t.Errorf("events: %v", got)
			}
			j.committed(3)
		})
	})
	t.Run("may refuse an element", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Serial(w.do, stream.Use(func(stream.Handler) stream.Handler {
				return func(ctx, stream.Call) error { return errBoom }
			})).SkipOnError()))
			same(t, "tried", w.tried(), nil)
			if got := heard[stream.Skipped](j); len(got) != 1 || !errors.Is(got[0].Err, errBoom) {
				t.Errorf("events: %v", got)
			}
		})
	})
	t.Run("passes its context to the handler", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			type key struct{}
			var got any
			start(t, l, commitNow(input.Serial(func(c ctx, _ string) error {
				m, ok := stream.MetaOf(c)
				got = fmt.Sprint(c.Value(key{}), m, ok)
				return nil
			}, stream.Use(func(next stream.Handler) stream.Handler {
				return func(c ctx, call stream.Call) error { return next(context.WithValue(c, key{}, "seen "), call) }
			}))))
			if got != "seen t[0]@0 true" {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("is refused when it returns no handler", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			none := stream.Use(func(stream.Handler) stream.Handler { return nil })
			says(t, commitNow(input.Serial(pass, none)).Run(t.Context(), l.Source()), "it returned no handler", "[LW135]")
			committed(t, l, -1)
		})
	})
	t.Run("fails the element when it panics", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			j := start(t, l, commitNow(input.Serial(pass, stream.Use(func(stream.Handler) stream.Handler {
				return func(ctx, stream.Call) error { panic(errBoom) }
			})).SkipOnError()))
			if got := heard[stream.Skipped](j); len(got) != 1 || !errors.Is(got[0].Err, errBoom) {
				t.Errorf("events: %v", got)
			}
		})
	})
}
