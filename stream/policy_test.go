package stream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

var errOther = errors.New("other")

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func TestPolicy(t *testing.T) {
	t.Run("Skip counts as finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b", errBoom)
			put(l, 0, "a", "b", "c")
			j := start(t, l, commitNow(input.Serial(w.do).SkipOnError()))
			same(t, "done", w.done(), []string{"a", "c"})
			j.committed(3)
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 1 || got[0].Attempts != 1 {
				t.Errorf("events: %v", got)
			}
		})
	})
	t.Run("none fails the pipeline", func(t *testing.T) {
		for name, chain := range map[string]func(*work) stream.Stream[string]{
			"none":        func(w *work) stream.Stream[string] { return input.Serial(w.do, stream.Named("charge")) },
			"FailOnError": func(w *work) stream.Stream[string] { return input.Serial(w.do, stream.Named("charge")).FailOnError() },
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork().poison("b", errBoom)
					put(l, 0, "a", "b", "c")
					j := start(t, l, commitNow(chain(w)))
					err := j.wait()
					var step *stream.StepError
					if !errors.As(err, &step) || !errors.Is(err, errBoom) {
						t.Fatalf("Run: %v", err)
					}
					if *step != (stream.StepError{Step: "charge", Topic: "t", Partition: 0, Offset: 1, Attempts: 1, Err: errBoom}) {
						t.Errorf("error: %+v", step)
					}
					for _, part := range []string{"charge: t[0]@1 failed after 1 attempt: boom", "uncommitted", "RetryOnError"} {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("%q does not say %q", err, part)
						}
					}
					same(t, "started", w.tried(), []string{"a", "b"})
					j.committed(1)
					if got := heard[stream.Failed](j); len(got) != 1 {
						t.Errorf("events: %v", got)
					}
					if err := j.Live(); !errors.Is(err, errBoom) {
						t.Errorf("Live: %v", err)
					}
				})
			})
		}
	})
	t.Run("failing drains and commits other partitions", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("a", errBoom)
			put(l, 0, "a")
			put(l, 1, "b", "c")
			fail, release := w.hold("a"), w.hold("b")
			j := start(t, l, input.GroupByPartition().Serial(w.do).CommitEvery(100, time.Hour))
			fail()
			synctest.Wait()
			if !j.running() {
				t.Fatal("Run did not wait for b")
			}
			release()
			if err := j.wait(); !errors.Is(err, errBoom) {
				t.Errorf("Run: %v", err)
			}
			same(t, "done", w.done(), []string{"b"})
			committed(t, l, 0, 1)
		})
	})
	t.Run("may be conditional", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(3), newWork().poison("a", errBoom).poison("b", errOther).poison("c", errors.ErrUnsupported)
			put(l, 0, "a", "x")
			put(l, 1, "b", "y")
			put(l, 2, "c", "z")
			dead := new(sink[stream.Failure])
			j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).
				RetryOnError(every(time.Second, 2), stream.When(is(errBoom))).
				SkipOnError(stream.When(is(errBoom))).
				DeadLetterOnError(dead, stream.When(is(errOther))).
				HaltOnError()))
			elapse(time.Minute)
			j.committed(2, 2, 0)
			if n := len(slices.DeleteFunc(w.tried(), func(v string) bool { return v != "a" })); n != 2 {
				t.Errorf("a was tried %d times", n)
			}
			if got := dead.values(); len(got) != 1 || got[0].Value != "b" {
				t.Errorf("dead letters: %v", got)
			}
			if h := j.halt(); h.Meta.Partition != 2 {
				t.Errorf("halt: %v", h)
			}
		})
	})
	t.Run("escalates downward", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a", errBoom)
			put(l, 0, "a")
			var order []string
			note := func(s string) stream.PolicyOption {
				return stream.OnMatch(func(_ ctx, f stream.Failure) { order = append(order, s+" "+f.Err.Error()) })
			}
			dead := &sink[stream.Failure]{err: errOther}
			j := start(t, l, commitNow(input.Serial(w.do).
				RetryOnError(every(0, 2), note("retry")).DeadLetterOnError(dead, note("dead")).SkipOnError(note("skip"))))
			same(t, "order", order, []string{"retry boom", "dead boom", "skip boom\nother"})
			j.committed(1)
		})
	})
	t.Run("is for the step above it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork().poison("a", errBoom), newWork().poison("b", errBoom)
			put(l, 0, "a", "b", "c")
			j := start(t, l, commitNow(input.MapSerial(first.echo).SkipOnError().Serial(second.do).HaltOnError()))
			if h := j.halt(); h.Value != "b" {
				t.Errorf("halt: %v", h)
			}
			j.committed(1)
		})
	})
	t.Run("does not apply to cancelled work", func(t *testing.T) {
		policies := map[string]func(stream.Stream[string], stream.Sink[stream.Failure]) stream.Stream[string]{
			"retry": func(s stream.Stream[string], _ stream.Sink[stream.Failure]) stream.Stream[string] {
				return s.RetryOnError(every(0, 9)).SkipOnError()
			},
			"skip": func(s stream.Stream[string], _ stream.Sink[stream.Failure]) stream.Stream[string] {
				return s.SkipOnError()
			},
			"dead letter": func(s stream.Stream[string], d stream.Sink[stream.Failure]) stream.Stream[string] {
				return s.DeadLetterOnError(d)
			},
			"halt": func(s stream.Stream[string], _ stream.Sink[stream.Failure]) stream.Stream[string] {
				return s.HaltOnError()
			},
			"none": func(s stream.Stream[string], _ stream.Sink[stream.Failure]) stream.Stream[string] { return s },
		}
		for name, p := range policies {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w, dead := newLog(1), newWork(), new(sink[stream.Failure])
					put(l, 0, "a", "b")
					w.hold("b")
					j := start(t, l, commitNow(p(input.GroupByKey().Concurrent(2, w.do), dead)), stream.DrainTimeout(time.Second))
					err := j.stop()
					if !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), "t[0]@1") {
						t.Errorf("Run: %v", err)
					}
					j.committed(1)
					same(t, "tried", slices.Sorted(slices.Values(w.tried())), []string{"a", "b"})
					if len(dead.values()) != 0 || len(heard[stream.Skipped](j))+len(heard[stream.Halted](j))+len(heard[stream.Failed](j)) != 0 {
						t.Errorf("a policy was applied")
					}
				})
			})
		}
	})
	t.Run("shows OnMatch every element of a failed batch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c")
			var offsets []int64
			start(t, l, commitNow(input.Batch(3, 0).Serial(func(ctx, []string) error { return errBoom }).
				SkipOnError(stream.OnMatch(func(_ ctx, f stream.Failure) { offsets = append(offsets, f.Meta.Offset) }))))
			if !slices.Equal(offsets, []int64{0, 1, 2}) {
				t.Errorf("watched: %v", offsets)
			}
		})
	})
}
