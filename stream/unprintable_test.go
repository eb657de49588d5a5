package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// refusal is an error whose Error needs it not to be nil.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// wrapping is an error whose Unwrap needs it not to be nil, and wrapped one that needs it too.
type wrapping struct{ why error }

func (*wrapping) Error() string   { return "wrapping" }
func (w *wrapping) Unwrap() error { return w.why }

// timed is an error that may be asked whether it is a timeout, but not where it is nil.
type timed struct{ late bool }

func (*timed) Error() string   { return "timed" }
func (t *timed) Timeout() bool { return t.late }

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

// So is one that is seen only by who asks it for more than its text.
func TestUnaskableError(t *testing.T) {
	var wraps *wrapping
	var asks *timed
	var refuses *refusal
	fails := func(err error) func(ctx, string) error { return func(ctx, string) error { return err } }
	for name, f := range map[string]func(ctx, string) error{
		"whose Unwrap panics":          fails(wraps),
		"whose Timeout panics":         fails(asks),
		"that wraps such an error":     fails(fmt.Errorf("charge: %w", wraps)),
		"that joins such an error":     fails(errors.Join(errBoom, asks)),
		"that is the value of a panic": func(ctx, string) error { panic(wraps) },
	} {
		t.Run("of a handler, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0")
				j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, f).RetryOnError(every(time.Second, 2)).HaltOnError()))
				elapse(time.Minute)
				if h := j.halt(); h.Attempts != 2 || !strings.Contains(h.String(), "LW236") {
					t.Error(h)
				}
			})
		})
	}
	t.Run("of an element of a Write", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0", "b1")
			j := start(t, l, commitNow(input.GroupByPartition().To(writes(func(_ ctx, es []stream.Out[string]) error {
				return &stream.PartialError{Errs: map[int]error{len(es) - 1: wraps}}
			})).HaltOnError()))
			if h := j.halt(); !strings.Contains(h.String(), "LW236") {
				t.Error(h)
			}
		})
	})
	t.Run("of a source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := newHand(2)
			j := h.start(t, h.chain().Serial(pass))
			h.parts[0].Halt(0, 1, wraps)
			h.in.Lose(wraps, h.parts[1])
			h.in.Trouble(h.parts[1].TopicPartition(), wraps)
			h.in.SetHealth(wraps)
			says(t, j.Ready(), "LW236")
			says(t, j.halt().Err, "LW236")
			must(t, j.stop())
		})
	})
	t.Run("is still found by its type", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.Concurrent(2, fails(refuses)).HaltOnError()))
			if r := new(refusal); !errors.As(j.halt().Err, &r) || r != nil {
				t.Error(j.halt())
			}
		})
	})
}
