package stream_test

import (
	"errors"
	"fmt"
	"net/url"
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

// limit is an error of which all but Error needs it not to be nil.
type limit struct{ until *time.Duration }

func (*limit) Error() string               { return "limit" }
func (l *limit) RetryAfter() time.Duration { return *l.until }

// treacherous panics in one of the methods by which errors are matched.
type treacherous struct{ method string }

func (treacherous) Error() string      { return "broken" }
func (b treacherous) Is(error) bool    { return b.calls("Is") }
func (b treacherous) As(any) bool      { return b.calls("As") }
func (b treacherous) Whole() bool      { return b.calls("Whole") }
func (b treacherous) Unwrap() []error  { _ = b.calls("Unwrap"); return nil }
func (b treacherous) SQLState() string { _ = b.calls("SQLState"); return "23505" }

func (b treacherous) calls(method string) bool {
	if b.method == method {
		panic("a bug in " + method)
	}
	return false
}

func TestErrorWhoseMethodPanics(t *testing.T) {
	for name, bad := range map[string]error{
		"a nil of url.Error": (*url.Error)(nil), "a nil with RetryAfter": (*limit)(nil), "a nil of Postpone": (*stream.PostponedError)(nil),
		"a nil of PartialError": (*stream.PartialError)(nil), "a nil amid others": errors.Join(errBoom, (*limit)(nil)),
		"one of some": &stream.PartialError{Errs: map[int]error{0: stream.Whole(errBoom), 1: (*url.Error)(nil)}},
		"Is":          treacherous{"Is"}, "As": treacherous{"As"}, "Whole": treacherous{"Whole"}, "Unwrap": treacherous{"Unwrap"},
	} {
		fails := func(ctx, string) error { return bad }
		for of, chain := range map[string]stream.Stream[string]{
			"a handler": input.Concurrent(1, fails).RetryOnError(every(time.Second, 2)).SkipOnError(),
			"a panic":   input.Concurrent(1, func(ctx, string) error { panic(bad) }).RetryOnError(every(time.Second, 2)).SkipOnError(),
			"a timeout": input.Concurrent(1, func(c ctx, v string) error { <-c.Done(); return bad }, stream.Timeout(time.Second)).SkipOnError(),
			"a sink":    input.To(writes(func(ctx, []stream.Out[string]) error { return bad })).RetryOnError(every(time.Second, 2)).SkipOnError(),
			"a batch":   input.Batch(3, time.Second).Concurrent(1, func(ctx, []string) error { return bad }, stream.Bisect()).SkipOnError().FlatMap(flat),
			"a letter":  input.Concurrent(1, fails).DeadLetterOnError(sinkFunc[stream.Failure](func(ctx, []stream.Out[stream.Failure]) error { return bad })).SkipOnError(),
			"a wait":    input.Concurrent(1, func(ctx, string) error { return stream.Postpone(errBoom, func(ctx) error { return bad }) }).SkipOnError(),
		} {
			t.Run("is a failure like another, "+name+" of "+of, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, count("a", 3)...)
					j := start(t, l, commitNow(chain))
					elapse(time.Minute)
					if n := len(heard[stream.Skipped](j)); n != 3 {
						t.Errorf("%d given up: %v", n, j.err)
					}
					j.committed(3)
				})
			})
		}
		t.Run("is a failure like another, "+name+" of a transaction", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, b := newLog(1), newDatabase()
				for range 9 {
					b.before = append(b.before, func(stream.Txn[string]) error { return bad })
				}
				put(l, 0, count("a", 3)...)
				j := start(t, l, input.CommitWith(b, 3, time.Second).RetryOnError(every(time.Second, 2)).HaltOnError())
				elapse(time.Minute)
				j.halt()
			})
		})
	}
}
