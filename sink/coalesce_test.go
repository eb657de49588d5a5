package sink_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
	"github.com/sourcegraph/conc"
)

func TestCoalesce(t *testing.T) {
	outs := func(vs ...string) (es []stream.Out[string]) {
		for _, v := range vs {
			es = append(es, stream.Out[string]{Value: v})
		}
		return es
	}
	// write starts a Write and returns a pointer to its later error.
	write := func(wg *conc.WaitGroup, ctx context.Context, s stream.Sink[string], vs ...string) *error {
		err := new(error)
		wg.Go(func() { *err = s.Write(ctx, outs(vs...)) })
		synctest.Wait()
		return err
	}

	t.Run("joins writes until there are n elements", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var sizes []int
			s := sink.Coalesce(sink.Func(func(_ context.Context, es []stream.Out[string]) error {
				sizes = append(sizes, len(es))
				return nil
			}), 3, time.Second)
			var wg conc.WaitGroup
			began := time.Now()
			write(&wg, t.Context(), s, "a")
			write(&wg, t.Context(), s, "b", "c")
			write(&wg, t.Context(), s, "d")
			wg.Wait()
			if len(sizes) != 2 || sizes[0] != 3 || sizes[1] != 1 || time.Since(began) != time.Second {
				t.Errorf("writes of %v after %v, want 3 at once and 1 after a second", sizes, time.Since(began))
			}
		})
	})
	t.Run("gives each write its own failed elements", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			boom := errors.New("boom")
			s := sink.Coalesce(sink.Func(func(context.Context, []stream.Out[string]) error {
				return &stream.PartialError{Errs: map[int]error{2: boom}}
			}), 3, time.Second)
			var wg conc.WaitGroup
			first := write(&wg, t.Context(), s, "a")
			second := write(&wg, t.Context(), s, "b", "c")
			wg.Wait()
			var partial *stream.PartialError
			if *first != nil || !errors.As(*second, &partial) || len(partial.Errs) != 1 || partial.Errs[1] != boom {
				t.Errorf("first: %v; second: %v", *first, *second)
			}
		})
	})
	t.Run("fails every write if a partial error names no element", func(t *testing.T) {
		for _, errs := range []map[int]error{nil, {7: errors.New("boom")}, {0: nil}} {
			synctest.Test(t, func(t *testing.T) {
				s := sink.Coalesce(sink.Func(func(context.Context, []stream.Out[string]) error {
					return &stream.PartialError{Errs: errs}
				}), 2, time.Second)
				var wg conc.WaitGroup
				first, second := write(&wg, t.Context(), s, "a"), write(&wg, t.Context(), s, "b")
				wg.Wait()
				if *first == nil || *second == nil {
					t.Errorf("with errors of %v: first: %v; second: %v", errs, *first, *second)
				}
			})
		}
	})
	t.Run("repeats each write by itself if an error names no element", func(t *testing.T) {
		for _, whole := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				boom, calls := errors.New("boom"), new(atomic.Int32)
				if whole {
					boom = stream.Whole(boom)
				}
				s := sink.Coalesce(sink.Func(func(_ context.Context, es []stream.Out[string]) error {
					calls.Add(1)
					for _, e := range es {
						if e.Value == "bad" {
							return boom
						}
					}
					return nil
				}), 3, time.Second)
				var wg conc.WaitGroup
				first, second := write(&wg, t.Context(), s, "a", "b"), write(&wg, t.Context(), s, "bad")
				wg.Wait()
				if !errors.Is(*second, boom) || (*first == nil) == whole || calls.Load() != map[bool]int32{false: 3, true: 1}[whole] {
					t.Errorf("whole %v: first: %v; second: %v; %d calls", whole, *first, *second, calls.Load())
				}
			})
		}
	})
	t.Run("fails every write if the sink panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := sink.Coalesce(sink.Func(func(context.Context, []stream.Out[string]) error { panic("boom") }), 2, time.Second)
			var wg conc.WaitGroup
			first, second := write(&wg, t.Context(), s, "a"), write(&wg, t.Context(), s, "b")
			wg.Wait()
			for _, err := range []error{*first, *second} {
				var panicked *stream.PanicError
				if !errors.As(err, &panicked) || panicked.Value != "boom" {
					t.Errorf("a write returned %v, want the panic", err)
				}
			}
		})
	})
	t.Run("runs until the last context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := sink.Coalesce(sink.Func(func(ctx context.Context, _ []stream.Out[string]) error {
				<-ctx.Done()
				return ctx.Err()
			}), 2, time.Second)
			var wg conc.WaitGroup
			c1, end1 := context.WithCancel(t.Context())
			c2, end2 := context.WithCancel(t.Context())
			defer end2()
			first := write(&wg, c1, s, "a")
			second := write(&wg, c2, s, "b")
			end1()
			synctest.Wait()
			if *first != nil || *second != nil {
				t.Errorf("the write ended with the first context: %v, %v", *first, *second)
			}
			end2()
			wg.Wait()
			if !errors.Is(*first, context.Canceled) || !errors.Is(*second, context.Canceled) {
				t.Errorf("first: %v; second: %v", *first, *second)
			}
		})
	})
	t.Run("is checked by Build", func(t *testing.T) {
		if s := sink.Coalesce((*sink.Collected[string])(nil), 10, time.Second); s != nil {
			t.Error("a nil sink was accepted")
		}
		s := sink.Coalesce(sink.Func(func(context.Context, []stream.Out[string]) error { return nil }), 0, 0)
		if err := s.(interface{ Check() error }).Check(); err == nil {
			t.Error("n = 0 and wait = 0 were accepted")
		}
	})
}
