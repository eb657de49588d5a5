package stream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// refusal is an error whose Error needs it not to be nil.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// A nil pointer in an error, which is no nil error, is a failure like another.
func TestUnprintableError(t *testing.T) {
	bad := func(v string) error {
		var r *refusal
		if strings.HasPrefix(v, "b") {
			return r
		}
		return nil
	}
	handle := func(_ ctx, v string) error { return bad(v) }
	for name, chain := range map[string]stream.Stream[string]{
		"of a handler": commitNow(input.GroupByKey().Concurrent(2, handle).RetryOnError(every(time.Second, 2)).HaltOnError()),
		"of a batch": commitNow(input.GroupByPartition().Batch(3, time.Second).Tap(func(_ ctx, vs []string) error {
			for _, v := range vs {
				if err := bad(v); err != nil {
					return err
				}
			}
			return nil
		}, stream.Bisect()).HaltOnError().FlatMap(flat)),
		"of a sink": commitNow(input.GroupByPartition().To(writes(func(_ ctx, es []stream.Out[string]) error {
			for _, e := range es {
				if err := bad(e.Value); err != nil {
					return err
				}
			}
			return nil
		})).HaltOnError()),
		"of a middleware": commitNow(input.GroupByKey().Concurrent(2, pass[string], stream.Use(func(next stream.Handler) stream.Handler {
			return func(c ctx, call stream.Call) error {
				if err := next(c, call); err != nil {
					return err
				}
				return bad(string(call.Meta().Key))
			}
		})).HaltOnError()),
		"of a FlatMap": commitNow(input.GroupByKey().Concurrent(2, pass[string]).FlatMap(func(_ ctx, v string) (seq[string], error) {
			return slices.Values([]string{v}), bad(v)
		}).HaltOnError()),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0")
				j := start(t, l, chain)
				elapse(0) // the halt would drop a0 if its worker came second
				put(l, 0, "b1", "c2")
				elapse(time.Minute)
				h := j.halt()
				if r := new(refusal); h.Meta.Offset != 1 || !errors.As(h.Err, &r) || !strings.Contains(h.String(), "*stream_test.refusal") {
					t.Errorf("%v", h)
				}
				j.committed(1)
				must(t, j.Skip(h))
				elapse(time.Minute)
				j.committed(3)
			})
		})
	}
}
