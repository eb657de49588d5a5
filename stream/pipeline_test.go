package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestRunReturnsWhenThereIsNoMore(t *testing.T) {
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
}

func TestAStreamCanBeRunTwiceAtATime(t *testing.T) {
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
}

func TestOneBeginningCanHaveTwoEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, one, two := newLog(1), newWork(), newWork()
		put(l, 0, "a")
		head := input.Map(func(_ ctx, v string) (string, error) { return v + "!", nil })
		must(t, start(t, l, head.Serial(one.do)).stop())
		must(t, start(t, l, head.Serial(two.do)).stop())
		same(t, "one", one.done(), []string{"a!"})
		same(t, "two", two.done(), []string{"a!"})
	})
}

func TestAPipelineRunsAgainWhenItHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, made := newWork(), 0
		p, err := commitNow(stream.From(func() stream.Source[string] { made++; return counter{made * 10} }).Serial(w.do)).Build()
		must(t, err)
		must(t, p.Run(t.Context()))
		must(t, p.Run(t.Context()))
		same(t, "done", w.done(), []string{"10", "20"})
	})
}

// counter feeds one number.
type counter struct{ n int }

func (c counter) Info() stream.SourceInfo                                       { return stream.SourceInfo{Name: "counter"} }
func (c counter) Commit(context.Context, map[stream.TopicPartition]int64) error { return nil }
func (c counter) Run(ctx context.Context, in *stream.Intake[string]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "counter"}})
	if err != nil {
		return err
	}
	ps[0].Feed([]string{fmt.Sprint(c.n)}, place{ps[0].TP(), 0}, 1, 0)
	return nil
}

func TestAPipelineRunsOnceAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := start(t, newLog(1), input)
		if err := j.Pipeline.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "running already") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunOfAnEndedContextReturnsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, commitNow(input.Serial(w.do)).Run(ended, l.Source()))
		same(t, "tried", w.tried(), nil)
	})
}

func TestValuesOfRunsContextReachHandlers(t *testing.T) {
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
}

func TestReadyAndLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a", errBoom)
		put(l, 0, "b")
		j := join(t, l, commitNow(input.Serial(w.do)))
		must(t, j.Ready()) // a member without partitions is ready
		release := w.hold("b")
		must(t, j.member.Assign(0))
		synctest.Wait()
		must(t, j.Ready())
		j.cancel()
		synctest.Wait()
		if err := j.Ready(); err == nil || !strings.Contains(err.Error(), "draining") {
			t.Errorf("Ready in a drain: %v", err)
		}
		must(t, j.Live())
		release()
		must(t, j.wait())
		if err := j.Ready(); !errors.Is(err, stream.ErrNotRunning) {
			t.Errorf("Ready after Run: %v", err)
		}
		must(t, j.Live())
	})
}

func TestAnErrorOfTheSourceEndsRunAndCommitsWhatIsFinished(t *testing.T) {
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
}

// broken feeds one record and fails.
type broken struct {
	committed *atomic.Int64
	fail      func() error
}

func (b broken) Info() stream.SourceInfo { return stream.SourceInfo{Name: "broken"} }
func (b broken) Commit(_ context.Context, offsets map[stream.TopicPartition]int64) error {
	b.committed.Store(offsets[stream.TopicPartition{Topic: "b"}])
	return nil
}
func (b broken) Run(c context.Context, in *stream.Intake[string]) error {
	ps, err := in.Assign(c, stream.Assignment{TopicPartition: stream.TopicPartition{Topic: "b"}, Committed: -1})
	if err != nil {
		return err
	}
	ps[0].Feed([]string{"a"}, place{ps[0].TP(), 0}, 1, 0)
	synctest.Wait()
	return b.fail()
}

func TestAPartitionAssignedTwiceIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		j := join(t, l, input)
		must(t, j.member.Assign(0))
		if err := j.member.Assign(0); err == nil || !strings.Contains(err.Error(), "t[0] was assigned twice: revoke it first") {
			t.Errorf("Assign: %v", err)
		}
	})
}

func TestSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork()
		put(l, 0, "a0", "a1", "a2")
		w.hold("a1")
		j := start(t, l, commitNow(input.Serial(w.do)))
		s := j.Snapshot()
		if !s.Running || len(s.Partitions) != 2 {
			t.Fatalf("snapshot: %+v", s)
		}
		p := s.Partitions[0]
		want := stream.PartitionState{TopicPartition: stream.TopicPartition{Topic: "t"}, Epoch: 1, State: "open", Watermark: 1, Committed: 1,
			Next: 3, End: 3, Lag: 2, InFlight: p.InFlight, Bytes: p.Bytes, Oldest: p.Oldest}
		if fmt.Sprint(p) != fmt.Sprint(want) || p.Oldest.Offset != 1 || p.InFlight < 2 || p.InFlight > 3 {
			t.Errorf("partition 0: %+v", p)
		}
		j.cancel()
		synctest.Wait()
		if s := j.Snapshot().Partitions[0]; s.State != "draining" {
			t.Errorf("in a drain: %+v", s)
		}
		w.release()
		must(t, j.wait())
		if s := j.Snapshot(); s.Running || len(s.Partitions) != 0 {
			t.Errorf("after Run: %+v", s)
		}
	})
}

func TestMetaOfInEveryPosition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a")
		var mu sync.Mutex
		seen := map[string]string{}
		see := func(where string, c ctx) {
			mu.Lock()
			defer mu.Unlock()
			m, ok := stream.MetaOf(context.WithoutCancel(c))
			seen[where] = fmt.Sprint(m, " ", string(m.Key), " ", ok)
		}
		j := start(t, l, commitNow(input.
			Map(func(c ctx, v string) (string, error) { see("Map", c); return v, nil }).
			FlatMap(func(c ctx, v string) (seq[string], error) { see("FlatMap", c); return thrice(c, v) }).
			Concurrent(2, func(c ctx, _ string) error { see("Concurrent", c); return nil }).
			Batch(3, 0).
			Map(func(c ctx, b []string) (string, error) { see("batch", c); return b[0], nil }).
			Serial(func(c ctx, _ string) error { see("behind the batch", c); return errBoom }).
			SkipOnError(stream.Watch(func(c ctx, _ stream.Failure) { see("Watch", c) })).
			To(seeing(func(c ctx) { see("sink", c) }))))
		put(l, 0, "b")
		synctest.Wait()
		j.committed(2)
		for _, where := range []string{"Map", "FlatMap", "Concurrent"} {
			if seen[where] != "t[0]@1 b true" {
				t.Errorf("%s: %s", where, seen[where])
			}
		}
		for _, where := range []string{"batch", "behind the batch", "Watch"} {
			if seen[where] != "t[0]@1 b true" && seen[where] != "t[0]@0 a true" {
				t.Errorf("%s: %s", where, seen[where])
			}
		}
		if _, ok := stream.MetaOf(t.Context()); ok {
			t.Error("a context that is not a handler's has a lineage")
		}
	})
}

type seeing func(ctx)

func (s seeing) Write(c ctx, _ []stream.Out[string]) error { s(c); return nil }

func TestMetaOfBelowACommitAndInASink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b", "c")
		var mu sync.Mutex
		var metas []string
		note := func(where string, c ctx) {
			mu.Lock()
			defer mu.Unlock()
			for m := range stream.MetasOf(c) {
				metas = append(metas, fmt.Sprint(where, m.Offset, string(m.Key)))
			}
		}
		must(t, start(t, l, input.CommitEach().Batch(3, 0).FlatMap(flat).Serial(func(c ctx, v string) error {
			if v == "c" {
				note("below ", c)
			}
			return nil
		}).To(seeing(func(c ctx) { note("sink ", c) }))).stop())
		got := strings.Join(metas, ",")
		if !strings.Contains(got, "below 0a,below 1b,below 2c") || !strings.Contains(got, "sink 0a,sink 1b,sink 2c") {
			t.Errorf("metas: %v", metas)
		}
	})
}

func TestStateLivesAsLongAsTheAssignment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(2)
		put(l, 0, "a", "b")
		put(l, 1, "c")
		type counts struct{ n atomic.Int64 }
		key, got := new(int), map[string]int64{}
		j := join(t, l, commitNow(input.Serial(func(c ctx, v string) error {
			s := stream.StateOf(c, key, func() *counts { return new(counts) })
			got[v] = s.n.Add(1)
			return nil
		})))
		must(t, j.member.Assign(0, 1))
		synctest.Wait()
		must(t, j.member.Revoke(0, 0))
		put(l, 0, "d")
		must(t, j.member.Assign(0))
		synctest.Wait()
		if want := map[string]int64{"a": 1, "b": 2, "c": 1, "d": 1}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counts: %v, want %v", got, want)
		}
		if stream.StateOf(t.Context(), key, func() *counts { return new(counts) }) != nil {
			t.Error("state without a handler's context")
		}
	})
}

func TestOnRestTellsHowARecordEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("c", errBoom)
		put(l, 0, "a", "b", "c", "d")
		rest := map[string]bool{}
		j := start(t, l, commitNow(input.Serial(func(c ctx, v string) error {
			if !stream.OnRest(c, func(finished bool) { rest[v] = finished }) {
				t.Error("OnRest refused a handler's context")
			}
			return nil
		}).Filter(func(v string) bool { return v != "b" }).Serial(w.do).HaltOnError()))
		if want := map[string]bool{"a": true, "b": true, "c": false}; fmt.Sprint(rest) != fmt.Sprint(want) && len(rest) != 4 {
			t.Errorf("rest: %v, want %v", rest, want)
		}
		if !rest["a"] || !rest["b"] || rest["c"] || rest["d"] {
			t.Errorf("rest: %v", rest)
		}
		j.committed(2)
		if stream.OnRest(t.Context(), func(bool) {}) {
			t.Error("OnRest took a context that is not a handler's")
		}
	})
}
