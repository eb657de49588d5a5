package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestRun(t *testing.T) {
	t.Run("refuses a nil context", func(t *testing.T) {
		var none context.Context
		s := of(stream.SourceInfo{})
		p, err := s.Build()
		must(t, err)
		for name, run := range map[string]func(ctx) error{"Stream": func(c ctx) error { return s.Run(c) }, "Pipeline": p.Run, "Supervisor": stream.Supervise(p).Run} {
			var fault *stream.BuildError
			if err := run(none); !errors.As(err, &fault) || !strings.Contains(err.Error(), "Run: the context is nil: pass context.Background()") {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, p.Run(t.Context()))
	})
	t.Run("returns when the source is exhausted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, count("a", 300)...)
			put(l, 1, count("b", 300)...)
			l.Finish()
			w.takes = time.Millisecond
			j := start(t, l, input.GroupByKey().Batch(7, 0).FlatMap(flat).Concurrent(8, w.do).CommitEvery(1_000_000, time.Hour))
			must(t, j.wait())
			same(t, "partition 0", w.doneOf("a"), count("a", 300))
			same(t, "partition 1", w.doneOf("b"), count("b", 300))
			j.committed(300, 300)
			if d := heard[stream.Drained](j); len(d) != 1 || d[0].Err != nil {
				t.Errorf("events: %v", d)
			}
		})
	})
	t.Run("runs one stream twice at a time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			chain := commitNow(input.GroupByKey().Concurrent(4, w.do).Batch(2, time.Second).FlatMap(flat).RetryOnError(every(0, 2)))
			logs := []*testLog{newLog(1), newLog(1)}
			var jobs []*job
			for i, l := range logs {
				put(l, 0, count(string(rune('a'+i)), 5)...)
				jobs = append(jobs, start(t, l, chain))
			}
			for _, j := range jobs {
				must(t, j.stop())
				j.committed(5)
			}
			same(t, "of the first", w.doneOf("a"), count("a", 5))
			same(t, "of the second", w.doneOf("b"), count("b", 5))
		})
	})
	t.Run("runs two streams with one head", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, one, two := newLog(1), newWork(), newWork()
			put(l, 0, "a")
			head := input.Map(func(_ ctx, v string) (string, error) { return v + "!", nil })
			must(t, start(t, l, head.Serial(one.do)).stop())
			must(t, start(t, l, head.Serial(two.do)).stop())
			same(t, "one", one.done(), []string{"a!"})
			same(t, "two", two.done(), []string{"a!"})
		})
	})
	t.Run("runs again after it has returned", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, made := newWork(), 0
			p, err := commitNow(stream.From(func() stream.Source[string] { made++; return counter{made * 10} }).Serial(w.do)).Build()
			must(t, err)
			must(t, p.Run(t.Context()))
			must(t, p.Run(t.Context()))
			same(t, "done", w.done(), []string{"10", "20"})
		})
	})
	t.Run("refuses a pipeline that runs", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := start(t, newLog(1), input)
			if err := j.Pipeline.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "already running") {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Run("returns at once when its context is cancelled", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			must(t, commitNow(input.Serial(w.do)).Run(ended, l.Source()))
			same(t, "tried", w.tried(), nil)
		})
	})
	t.Run("passes the values of its context to handlers", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			l.Finish()
			type key struct{}
			var got any
			must(t, input.Serial(func(c ctx, _ string) error { got = c.Value(key{}); return nil }).Run(context.WithValue(t.Context(), key{}, "here"), l.Source()))
			if got != "here" {
				t.Errorf("got %v", got)
			}
		})
	})
	t.Run("returns the source's error and commits what has finished", func(t *testing.T) {
		for name, fail := range map[string]func() error{
			"error": func() error { return errBoom },
			"panic": func() error { panic(errBoom) },
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var committed atomic.Int64
					w := newWork()
					release := w.hold("a")
					go func() { time.Sleep(time.Second); release() }()
					err := stream.From(func() stream.Source[string] { return broken{&committed, fail} }).Serial(w.do).CommitEvery(100, time.Hour).Run(t.Context())
					if !errors.Is(err, errBoom) {
						t.Errorf("Run: %v", err)
					}
					same(t, "done", w.done(), []string{"a"})
					if committed.Load() != 1 {
						t.Errorf("committed %d", committed.Load())
					}
				})
			})
		}
	})
}

// counter feeds one number.
type counter struct{ n int }

func (c counter) Info() stream.SourceInfo                                                 { return stream.SourceInfo{Name: "counter"} }
func (c counter) Commit(context.Context, map[stream.TopicPartition]stream.Position) error { return nil }
func (c counter) Run(ctx context.Context, in *stream.Intake[string]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "counter"}})
	if err != nil {
		return err
	}
	ps[0].Feed([]string{fmt.Sprint(c.n)}, place{ps[0].TopicPartition(), 0}, 1, 0)
	return nil
}

// broken feeds one record and fails.
type broken struct {
	committed *atomic.Int64
	fail      func() error
}

func (b broken) Info() stream.SourceInfo { return stream.SourceInfo{Name: "broken"} }
func (b broken) Commit(_ context.Context, offsets map[stream.TopicPartition]stream.Position) error {
	b.committed.Store(offsets[stream.TopicPartition{Topic: "b"}].Offset)
	return nil
}
func (b broken) Run(c context.Context, in *stream.Intake[string]) error {
	ps, err := in.Assign(c, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "b"}, Committed: -1})
	if err != nil {
		return err
	}
	ps[0].Feed([]string{"a"}, place{ps[0].TopicPartition(), 0}, 1, 0)
	synctest.Wait()
	return b.fail()
}
