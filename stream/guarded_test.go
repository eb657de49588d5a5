package stream_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestGoexit(t *testing.T) {
	t.Run("ends the pipeline at once", func(t *testing.T) {
		exit := func(string) { runtime.Goexit() }
		quits := func(_ ctx, v string) error { exit(v); return nil }
		for name, chain := range map[string]stream.Stream[string]{
			"a handler":            commitNow(input.Serial(quits)),
			"a handler in a batch": commitNow(input.Batch(2, 0).Serial(func(ctx, []string) error { exit(""); return nil }).FlatMap(flat)),
			"a func of a FlatMap":  commitNow(input.FlatMap(func(ctx, string) (seq[string], error) { return func(func(string) bool) { exit("") }, nil }).Serial(pass)),
			"a func below KeepOrder": commitNow(input.Concurrent(2, pass, stream.KeepOrder()).Map(func(_ ctx, v string) (string, error) {
				exit(v)
				return v, nil
			})),
			"a sink": commitNow(input.To(&sink[string]{fail: func([]stream.Out[string]) error { exit(""); return nil }})),
			"a Transform": commitNow(input.Transform("quits", func(_ ctx, in <-chan stream.Elem[string], _ chan<- stream.Elem[string]) error {
				exit((<-in).Value)
				return nil
			})),
			"a key":      commitNow(input.GroupBy(func(v string) string { exit(v); return v }).Concurrent(2, pass)),
			"an Event":   commitNow(input.Serial(pass)),
			"each Event": input.Serial(pass).CommitEach(),
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a0", "a1")
					began := time.Now()
					j := start(t, l, chain, stream.Observe(stream.Observer{Event: func(e stream.Event) {
						if _, ok := e.(stream.Committed); ok && strings.HasSuffix(name, "Event") {
							exit("")
						}
					}}))
					if err := j.wait(); err == nil || !strings.Contains(err.Error(), "a handler ended its goroutine") {
						t.Errorf("Run: %v", err)
					}
					if took := time.Since(began); took > time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	})
	t.Run("ends the pipeline at once in a source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			began := time.Now()
			err := stream.From(func() stream.Source[string] { return quitter{} }).Serial(pass).CommitEach().Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "ended its goroutine") || time.Since(began) > time.Second {
				t.Errorf("Run: %v, after %v", err, time.Since(began))
			}
		})
	})
	t.Run("lets other partitions commit what they have finished", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a")
			put(l, 1, "b", "c")
			w.hold("c")
			release := w.hold("a")
			j := start(t, l, input.Concurrent(4, func(c ctx, v string) error {
				err := w.do(c, v)
				if v == "a" {
					runtime.Goexit()
				}
				return err
			}).CommitEvery(100, time.Hour))
			release()
			if err := j.wait(); !strings.Contains(err.Error(), "a handler ended its goroutine") || !strings.Contains(err.Error(), "t[0]@0") {
				t.Errorf("Run: %v", err)
			}
			j.committed(0, 1)
		})
	})
}

// quitter is a source that ends its goroutine.
type quitter struct{ quiet }

func (quitter) Run(context.Context, *stream.Intake[string]) error { runtime.Goexit(); return nil }

func TestPanic(t *testing.T) {
	t.Run("of an OnSettled func drains the pipeline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.Serial(func(c ctx, _ string) error {
				stream.OnSettled(c, func(bool) { panic(errBoom) })
				return nil
			})))
			if err := j.wait(); !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "OnSettled") {
				t.Errorf("Run: %v", err)
			}
			j.committed(1)
		})
	})
	t.Run("of a middleware's constructor fails Run", func(t *testing.T) {
		err := of(stream.SourceInfo{}).Serial(pass, stream.Use(func(stream.Handler) stream.Handler { panic(errBoom) })).Run(t.Context())
		var fault *stream.BuildError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), "panic: boom") {
			t.Errorf("Run: %v", err)
		}
	})
	t.Run("of a handler is a failure with its stack", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b")
			var seen []stream.Failure
			j := start(t, l, commitNow(input.Serial(explode).SkipOnError(stream.OnMatch(func(_ ctx, f stream.Failure) { seen = append(seen, f) }))))
			j.committed(2)
			var p *stream.PanicError
			if len(seen) != 1 || !errors.As(seen[0].Err, &p) || !errors.Is(seen[0].Err, errBoom) || !strings.Contains(string(p.Stack), "explode") {
				t.Errorf("failures: %v", seen)
			}
			if seen[0].Step != "explode" {
				t.Errorf("the step is %q, its function is explode", seen[0].Step)
			}
		})
	})
}

func explode(_ ctx, v string) error {
	if v == "a" {
		panic(errBoom)
	}
	return nil
}
