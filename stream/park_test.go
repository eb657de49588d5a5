package stream_test

import (
	"context"
	"errors"

	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// The records of a test have their first letter as key.
func TestPark(t *testing.T) {
	byKey := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do, stream.Named("charge")).ParkOnError())
	}
	t.Run("holds back the key and nothing else", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1", "c2", "b3")
			put(l, 1, "b0")
			j := start(t, l, byKey(w))
			put(l, 0, "a4", "b5", "c6")
			synctest.Wait()
			sameSet(t, "partition 0", w.done(), []string{"a0", "c2", "a4", "c6", "b0"})
			j.committed(1, 1)
			h := j.halt()
			if h.Scope != stream.ScopeLane || h.Meta.Offset != 1 || h.Step != "charge" || string(h.Meta.Key) != "b" || h.Record != "b1" {
				t.Errorf("halt: %+v", h)
			}
			for _, part := range []string{`key "b" of t[0] has been parked since`, "charge: t[0]@1 failed after 1 attempt: boom", "Resume", "Skip"} {
				if !strings.Contains(h.String(), part) {
					t.Errorf("%q does not say %q", h, part)
				}
			}
			s := j.Snapshot().Partitions[0]
			if s.State != stream.StateOpen || s.Halt != nil || s.Parked != 1 || s.InFlight != 3 || j.Ready() != nil {
				t.Errorf("snapshot: %+v", s)
			}
		})
	})
	t.Run("continues in order after Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b1", errBoom)
			put(l, 0, "a0", "b1", "b2", "c3", "b4")
			j := start(t, l, byKey(w))
			j.committed(1)
			must(t, j.Resume(j.halt()))
			put(l, 0, "b5")
			synctest.Wait()
			same(t, "b", w.doneOf("b"), []string{"b1", "b2", "b4", "b5"})
			sameSet(t, "tried", w.tried(), []string{"a0", "b1", "c3", "b1", "b2", "b4", "b5"})
			j.committed(6)
			if hs := j.Halts(); len(hs) != 0 || j.Snapshot().Partitions[0].Parked != 0 {
				t.Errorf("halts: %v", hs)
			}
		})
	})
	t.Run("continues after the record with Skip", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1", "b2")
			j := start(t, l, byKey(w))
			must(t, j.Skip(j.halt()))
			synctest.Wait()
			same(t, "b", w.doneOf("b"), []string{"b2"})
			j.committed(3)
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 1 {
				t.Errorf("skipped: %v", got)
			}
		})
	})
	t.Run("parks again if the record fails again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "b1", "b2", "a2")
			j := start(t, l, byKey(w))
			for range 3 {
				h := j.halt()
				must(t, j.Resume(h))
				must(t, j.WaitResumed(t.Context(), h))
				synctest.Wait()
			}
			sameSet(t, "tried", w.tried(), []string{"b1", "a2", "b1", "b1", "b1"})
			if h := j.halt(); h.Meta.Offset != 0 {
				t.Errorf("halt: %+v", h)
			}
		})
	})
	t.Run("refuses a stale halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			put(l, 0, "b0")
			j := start(t, l, byKey(w))
			h := j.halt()
			must(t, j.Resume(h))
			synctest.Wait()
			if err := j.Skip(h); !errors.Is(err, stream.ErrStale) {
				t.Errorf("Skip: %v", err)
			}
		})
	})
	t.Run("ends by itself after ResumeAfter, and later each time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom, errBoom, errBoom)
			put(l, 0, "b0", "a1", "b2")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError(stream.ResumeAfter(time.Minute))))
			for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
				h := j.halt()
				if after := h.ResumeAt.Sub(h.Since); after < wait || after > wait*11/10 {
					t.Errorf("it is retried after %v, want %v", after, wait)
				}
				elapse(time.Until(h.ResumeAt))
			}
			same(t, "b", w.doneOf("b"), []string{"b0", "b2"})
			j.committed(3)
			if got := heard[stream.Resumed](j); len(got) != 3 || !got[2].ByItself {
				t.Errorf("resumed: %v", got)
			}
		})
	})
	t.Run("waits for records running in an earlier step", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork().fail("b0", errBoom)
			put(l, 0, "b0", "b1", "b2")
			release, failNow := first.hold("b1"), second.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().MapConcurrent(4, first.echo).Concurrent(4, second.do).ParkOnError()))
			failNow()
			synctest.Wait()
			h := j.halt()
			must(t, j.Resume(h))
			synctest.Wait()
			same(t, "done while b1 is in the first step", second.done(), nil)
			release()
			must(t, j.WaitResumed(t.Context(), h))
			synctest.Wait()
			same(t, "done", second.done(), []string{"b0", "b1", "b2"})
			j.committed(3)
		})
	})
	t.Run("releases a batch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0 b1", errBoom)
			put(l, 0, "b0", "b1", "b2", "a3", "a4")
			j := start(t, l, commitNow(input.GroupByKey().Batch(2, 0).Concurrent(4, joined(w)).ParkOnError()))
			same(t, "done", w.done(), []string{"a3 a4"})
			h := j.halt()
			if h.Meta.Offset != 0 || h.Last != 1 || h.Scope != stream.ScopeLane {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.Resume(h))
			put(l, 0, "b5")
			synctest.Wait()
			same(t, "done", w.done(), []string{"a3 a4", "b0 b1", "b2 b5"})
			j.committed(6)
		})
	})
	t.Run("survives a restart of the same build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b1", errBoom)
			put(l, 0, "a0", "b1", "c2", "b3")
			for range 5 {
				j := start(t, l, byKey(w), stream.BuildID("v1"))
				if h := j.halt(); h.Scope != stream.ScopeLane || h.Meta.Offset != 1 || string(h.Meta.Key) != "b" {
					t.Fatalf("halt: %+v", h)
				}
				must(t, j.stop())
			}
			sameSet(t, "tried", w.tried(), []string{"a0", "b1", "c2"})
			j := start(t, l, byKey(w), stream.BuildID("v1"))
			put(l, 0, "b4", "a5")
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "b", w.doneOf("b"), []string{"b1", "b3", "b4"})
			sameSet(t, "tried", w.tried(), []string{"a0", "b1", "c2", "a5", "b1", "b3", "b4"})
			j.committed(6)
		})
	})
	// A compacted log may have lost the record by the time that another worker takes over.
	t.Run("ends once its record is gone from the log", func(t *testing.T) {
		for where, gone := range map[string]int{"with all of its key": 1, "with others of its key behind it": 0} {
			t.Run(where, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l := newLog(1)
					put(l, 0, "a0", "b1", "c2", "b3")
					must(t, start(t, l, byKey(newWork().poison("b1", errBoom)), stream.BuildID("v1")).stop())
					state := l.State(0)

					l, w := newLog(1), newWork().poison("e4", errBoom)
					put(l, 0, "a0")
					must(t, start(t, l, byKey(newWork()), stream.BuildID("v1")).stop()) // commits 1, as above
					l.SetState(0, state)
					l.AppendGap(0, 1)
					put(l, 0, "c2", []string{"b3", "d3"}[gone], "e4", "f5")
					j := start(t, l, byKey(w), stream.BuildID("v1"))
					elapse(time.Second)
					if h := j.halt(); h.Meta.Offset != 4 {
						t.Errorf("halt: %v", h)
					}
					if got := heard[stream.SourceEvent](j); len(got) != 1 || got[0].Name != "parked record gone" {
						t.Errorf("events: %v", got)
					}
					must(t, j.stop())
					j = start(t, l, byKey(w), stream.BuildID("v1"))
					synctest.Wait()
					if h := j.halt(); !h.Restored || w.triesOf("e4") != 1 || w.triesOf("f5") != 1 {
						t.Errorf("%v; processed %v", h, w.tried())
					}
					j.committed(4)
				})
			})
		}
	})
	t.Run("of a batch stays if some of its records are gone from the log", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork().poison("b1", errBoom).poison("b3", errBoom)
			chain := commitNow(input.GroupByKey().Batch(2, time.Second).Concurrent(4, func(c ctx, b []string) error { return w.do(c, b[0]) }).ParkOnError())
			l := newLog(1)
			put(l, 0, "a0", "b1", "c2", "b3")
			j := start(t, l, chain, stream.BuildID("v1"))
			elapse(time.Minute)
			must(t, j.stop())
			state := l.State(0)

			l = newLog(1)
			put(l, 0, "a0")
			j = start(t, l, chain, stream.BuildID("v1"))
			elapse(time.Minute)
			must(t, j.stop()) // commits 1, as above
			l.SetState(0, state)
			l.AppendGap(0, 1)
			put(l, 0, "c2", "b3", "d4")
			for range 3 {
				j = start(t, l, chain, stream.BuildID("v1"))
				elapse(time.Minute)
				if h := j.halt(); !h.Restored || h.Last != 3 {
					t.Errorf("halt: %v", h)
				}
				must(t, j.stop())
				j.committed(3)
			}
			if n := w.triesOf("d4"); n != 1 {
				t.Errorf("d4 was processed %d times", n)
			}
		})
	})
	t.Run("waits beside a halt of its partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			w := newWork().poison("b0", errBoom).fail("a1", errOther)
			put(l, 0, "b0", "a1", "b2", "c3")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).ParkOnError(stream.When(func(err error) bool { return errors.Is(err, errBoom) })).HaltOnError()))
			must(t, j.Resume(ofScope(t, j.Halts(), stream.ScopePartition)))
			synctest.Wait()
			sameSet(t, "done", w.done(), []string{"a1", "c3"})
			must(t, j.Skip(j.halt()))
			synctest.Wait()
			sameSet(t, "done", w.done(), []string{"a1", "c3", "b2"})
			j.committed(4)
		})
	})
	t.Run("is released while its partition is halted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			w := newWork().fail("b0", errBoom).fail("a1", errOther)
			put(l, 0, "b0", "a1", "b2", "c3")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).ParkOnError(stream.When(func(err error) bool { return errors.Is(err, errBoom) })).HaltOnError()))
			must(t, j.Resume(ofScope(t, j.Halts(), stream.ScopeLane)))
			synctest.Wait()
			same(t, "done", w.done(), nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "b", w.doneOf("b"), []string{"b0", "b2"})
			j.committed(4)
		})
	})
	t.Run("repeats nothing in a drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b1", errBoom)
			put(l, 0, "a0", "b1", "c2", "b3")
			j := start(t, l, byKey(w), stream.BuildID(""))
			began := time.Now()
			must(t, j.stop())
			if took := time.Since(began); took > time.Second {
				t.Errorf("the drain took %v", took)
			}
			j = start(t, l, byKey(w), stream.BuildID(""))
			sameSet(t, "tried", w.tried(), []string{"a0", "b1", "c2", "b1", "b3"})
			j.committed(4)
		})
	})
	t.Run("is explained", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1", "b2", "c3")
			j := start(t, l, byKey(w))
			elapse(time.Minute)
			j.explains(stream.CausePark, nil, "continues above a record that charge has parked: fix the cause and Resume, or Skip the record, for 1m0s",
				"t[0]@1", `key "b"`, "boom", "1 of its key")
		})
	})
}

// ofScope returns the only halt of a scope.
func ofScope(t *testing.T, hs []stream.Halt, scope stream.Scope) stream.Halt {
	t.Helper()
	hs = slices.DeleteFunc(hs, func(h stream.Halt) bool { return h.Scope != scope })
	if len(hs) != 1 {
		t.Fatalf("halts of scope %s: %v", scope, hs)
	}
	return hs[0]
}

// A park holds back what the order in effect asks for.
func TestParkScope(t *testing.T) {
	for name, c := range map[string]struct {
		chain func(*work) stream.Stream[string]
		scope stream.Scope
		done  []string
	}{
		"by key":       {func(w *work) stream.Stream[string] { return input.GroupByKey().Concurrent(4, w.do) }, stream.ScopeLane, []string{"a0", "a3"}},
		"by partition": {func(w *work) stream.Stream[string] { return input.GroupByPartition().Concurrent(4, w.do) }, stream.ScopePartition, []string{"a0"}},
		"serial":       {func(w *work) stream.Stream[string] { return input.Serial(w.do) }, stream.ScopePartition, []string{"a0"}},
		"a batch in no order, bisected": {func(w *work) stream.Stream[string] {
			return input.Batch(4, time.Second).Concurrent(4, each(w), stream.Bisect()).FlatMap(flat)
		}, stream.ScopeRecord, []string{"a0", "b2", "a3"}},
		"a batch by key, bisected": {func(w *work) stream.Stream[string] {
			return input.GroupByKey().Batch(2, time.Second).Concurrent(4, each(w), stream.Bisect()).FlatMap(flat)
		}, stream.ScopeLane, []string{"a0", "a3"}},
		"ungrouped":            {func(w *work) stream.Stream[string] { return input.Concurrent(4, w.do) }, stream.ScopeRecord, []string{"a0", "b2", "a3"}},
		"to a sink":            {func(w *work) stream.Stream[string] { return input.GroupByKey().To(oneByOne(w)) }, stream.ScopeLane, []string{"a0", "a3"}},
		"to a sink, ungrouped": {func(w *work) stream.Stream[string] { return input.To(oneByOne(w)) }, stream.ScopeRecord, []string{"a0", "b2", "a3"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().fail("b1", errBoom)
				put(l, 0, "a0", "b1")
				j := start(t, l, commitNow(c.chain(w).ParkOnError()))
				put(l, 0, "b2", "a3")
				elapse(time.Second) // for batches
				sameSet(t, "done", w.done(), c.done)
				h := j.halt()
				if h.Scope != c.scope || h.Meta.Offset != 1 {
					t.Errorf("halt: %+v", h)
				}
				must(t, j.Resume(h))
				elapse(time.Second)
				j.committed(4)
				all := w.done()
				slices.Sort(all)
				same(t, "done after Resume", all, []string{"a0", "a3", "b1", "b2"})
			})
		})
	}
}

// joined has a work do batches.
func joined(w *work) func(context.Context, []string) error {
	return func(ctx context.Context, vs []string) error { return w.do(ctx, strings.Join(vs, " ")) }
}

// each has a work do the elements of batches, up to the first that fails.
func each(w *work) func(context.Context, []string) error {
	return func(ctx context.Context, vs []string) error {
		if slices.Contains(vs, "b1") {
			if err := w.fails["b1"]; len(err) > 0 && len(vs) > 1 {
				return errBoom
			}
		}
		for _, v := range vs {
			if err := w.do(ctx, v); err != nil {
				return err
			}
		}
		return nil
	}
}

// oneByOne is a sink that has a work do each of its elements.
func oneByOne(w *work) stream.Sink[string] {
	return &sink[string]{fail: func(es []stream.Out[string]) error {
		errs := map[int]error{}
		for i, e := range es {
			if err := w.do(context.Background(), e.Value); err != nil {
				errs[i] = err
			}
		}
		if len(errs) > 0 {
			return &stream.PartialError{Errs: errs}
		}
		return nil
	}}
}

func TestParkRefused(t *testing.T) {
	w, input := newWork(), of(stream.SourceInfo{StateBytes: 4096})
	for name, c := range map[string]struct {
		chain stream.Stream[string]
		opts  []stream.Option
		says  string
	}{
		"with KeepOrder":             {commitNow(input.Concurrent(4, w.do, stream.KeepOrder()).ParkOnError()), nil, "KeepOrder would hold back"},
		"below GroupBy":              {commitNow(input.GroupBy(func(s string) string { return s }).Concurrent(4, w.do).ParkOnError()), nil, "made by GroupBy"},
		"below CommitBefore":         {input.CommitBefore(1, 0).Concurrent(4, w.do).ParkOnError(), nil, "below a commit"},
		"without a resume state":     {commitNow(input.Concurrent(4, w.do).ParkOnError()), []stream.Option{stream.MaxFinishedAhead(0)}, "MaxFinishedAhead(0)"},
		"above CommitWith":           {input.Concurrent(4, w.do).ParkOnError().CommitWith(newDatabase(), 1, 0), nil, "no transaction could pass"},
		"below CommitWith":           {input.Concurrent(4, w.do).CommitWith(newDatabase(), 1, 0).ParkOnError(), nil, "no transaction could pass"},
		"where no state is stored":   {commitNow(of(stream.SourceInfo{}).Concurrent(4, w.do).ParkOnError()), nil, "the source stores no resume state"},
		"where the order is changed": {commitNow(input.GroupByKey().Concurrent(4, w.do).Ungroup().Concurrent(4, w.do).ParkOnError()), nil, "changes the order"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.chain.Build(c.opts...)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "HaltOnError") && !strings.Contains(err.Error(), "put it above") {
				t.Errorf("Build: %v", err)
			}
		})
	}
}

func TestParkKeyless(t *testing.T) {
	t.Run("parks the lane that records without a key share", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("-0", errBoom)
			l.Append(0, "", "-0", "-1")
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError()))
			l.Append(0, "", "-2")
			elapse(time.Second)
			same(t, "done", w.done(), []string{"a0"})
			if h := j.halt(); h.Scope != stream.ScopeLane || h.Meta.Key != nil {
				t.Errorf("halt: %+v", h)
			}
			must(t, j.Resume(j.halt()))
			elapse(time.Second)
			same(t, "done", w.done(), []string{"a0", "-0", "-1", "-2"})
			j.committed(4)
		})
	})
	t.Run("is not that of an empty key", func(t *testing.T) {
		if none := stream.KeyHash(nil); none == stream.KeyHash([]byte{}) || none != stream.KeyHash(nil) {
			t.Error("no key and an empty key share a lane")
		}
	})
}
