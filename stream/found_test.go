package stream_test

import (
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// What the net (prop_test.go) has found, each as a test that says it plainly.

// partly fails, once, the elements that it names.
func partly(names ...string) *sink[string] {
	s := &sink[string]{}
	s.fail = func(es []stream.Out[string]) error {
		err := &stream.PartialError{Errs: map[int]error{}}
		for i, e := range es {
			if n := slices.Index(names, e.Value); n >= 0 {
				names = slices.Delete(names, n, n+1)
				err.Errs[i] = errBoom
			}
		}
		if len(err.Errs) == 0 {
			return nil
		}
		return err
	}
	return s
}

func TestToKeepsTheOrderBelowWhenASinkRefusesSome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "a1", "a2", "a3")
		l.Finish()
		j := start(t, l, commitNow(input.To(partly("a1")).RetryOnError(every(time.Millisecond, 2)).Serial(w.do)))
		must(t, j.wait())
		same(t, "order below", w.done(), []string{"a0", "a1", "a2", "a3"})
		j.committed(4)
	})
}

func TestHaltBelowToHoldsBackWhatWasWrittenTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a1", errBoom)
		put(l, 0, "a0", "a1", "a2", "a3")
		j := start(t, l, commitNow(input.To(&sink[string]{}).Map(w.echo).HaltOnError()))
		same(t, "begun", w.tried(), []string{"a0", "a1"})
		j.committed(1)
	})
}

func TestCommitEachHoldsTheLaneOfWhatEndsBeforeTheEnd(t *testing.T) {
	for name, chain := range map[string]func(w *work) stream.Stream[string]{
		"Skip": func(w *work) stream.Stream[string] { return input.Serial(w.poison("a0", errBoom).do).SkipOnError() },
		"Filter": func(w *work) stream.Stream[string] {
			return input.Serial(w.do).Filter(func(string) bool { return false })
		},
		"FlatMap": func(w *work) stream.Stream[string] {
			return input.Serial(w.do).FlatMap(func(_ ctx, v string) (iter.Seq[string], error) { return slices.Values([]string{v, v}), nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork()
				put(l, 0, "a0", "a1", "a2")
				j := join(t, l, chain(w).CommitEach())
				acknowledge := make(chan struct{})
				j.member.FailCommits(func(map[stream.TopicPartition]int64) error { <-acknowledge; return nil })
				must(t, j.member.Assign(0))
				synctest.Wait()
				if got := w.tried(); len(got) > 1 {
					t.Errorf("%v were begun before the first was acknowledged", got)
				}
				close(acknowledge)
				synctest.Wait()
				j.committed(3)
			})
		})
	}
}

func TestGroupByGivesWayToTheGroupingBelowIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		w.takes = time.Millisecond
		put(l, 0, "a0", "a1", "a2", "a3")
		l.Finish()
		s := input.GroupBy(func(v string) string { return v }).Ungroup().GroupByKey().Concurrent(4, w.do)
		must(t, start(t, l, commitNow(s)).wait())
		if n := w.peak(); n != 1 {
			t.Errorf("%d elements of one key at a time", n)
		}
	})
}

func TestKeepOrderLetsNothingOvertakeWhatADrainGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "a1", "a2")
		w.hold("a0")
		s := input.Concurrent(3, pass[string], stream.KeepOrder()).Map(w.echo)
		j := start(t, l, commitNow(s), stream.DrainTimeout(time.Second))
		if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
			t.Error(err)
		}
		same(t, "begun", w.tried(), []string{"a0"})
	})
}

func TestResumeIsRefusedOnceThePipelineEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork().poison("a", errBoom)
		put(l, 0, "a")
		put(l, 1, "b")
		fail, finish := w.hold("a"), w.hold("b")
		j := start(t, l, commitNow(input.GroupByPartition().Concurrent(2, w.do).HaltOnError()))
		l.Finish()
		synctest.Wait() // the source has ended
		fail()
		synctest.Wait()
		if err := j.Resume(j.halt()); !errors.Is(err, stream.ErrNotRunning) {
			t.Errorf("Resume: %v", err)
		}
		finish()
		if err := j.wait(); err == nil {
			t.Error("Run told nothing of the halted partition")
		}
		j.committed(0, 1)
	})
}

func TestResumePassesNothingBelowACommitTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, above, below := newLog(1), newWork().poison("a2", errBoom), newWork()
		put(l, 0, "a")
		j := start(t, l, input.FlatMap(thrice).Serial(above.do).HaltOnError().CommitBefore(1, 0).Serial(below.do))
		same(t, "above", above.tried(), []string{"a1", "a2"})
		above.poison("a2", nil)
		must(t, j.Resume(j.halt()))
		synctest.Wait()
		same(t, "below", below.tried(), []string{"a1", "a2", "a3"})
		j.committed(1)
	})
}

func TestPartialErrorOfAMapFailsTheWholeBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, out, tries := newLog(1), &sink[[]string]{}, 0
		put(l, 0, "a0", "a1", "a2")
		l.Finish()
		s := input.Batch(3, 0).MapSerial(func(_ ctx, b []string) ([]string, error) {
			if tries++; tries == 1 {
				return nil, &stream.PartialError{Errs: map[int]error{1: errBoom}}
			}
			return b, nil
		}).RetryOnError(every(time.Millisecond, 2)).To(out)
		must(t, start(t, l, commitNow(s)).wait())
		if len(out.outs) != 1 || len(out.outs[0].Value) != 3 {
			t.Errorf("the sink got %v", out.outs)
		}
	})
}

func TestADrainOutOfTimeBeginsNoMoreBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "b0", "c0")
		for _, v := range []string{"a0", "b0", "c0"} {
			w.hold(v)
		}
		s := input.GroupByKey().Batch(2, 0).Ungroup().Serial(func(c ctx, b []string) error { return w.do(c, b[0]) })
		j := start(t, l, commitNow(s), stream.DrainTimeout(time.Second))
		if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
			t.Error(err)
		}
		if n := len(w.tried()); n != 1 {
			t.Errorf("%d batches were begun", n)
		}
	})
}

func TestACommitThatKeepsTheRoomIsMadeBeforeItsCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a0", "a1", "a2")
		split := func(_ ctx, v string) (iter.Seq[string], error) {
			return func(yield func(string) bool) { yield(v); time.Sleep(time.Millisecond) }, nil
		}
		start(t, l, input.FlatMap(split).CommitBefore(100, 0, stream.ByCountOnly()).Serial(w.do), stream.MaxInFlight(1, 1<<20))
		elapse(time.Second)
		same(t, "below", w.done(), []string{"a0", "a1", "a2"})
	})
}

func TestKeepOrderKeepsTheOrderOfWhatABatchCollects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, out := newLog(1), &sink[[]string]{}
		put(l, 0, "a0", "a1", "a2", "a3")
		l.Finish()
		slow := func(_ ctx, v string) (string, error) {
			if v == "a0" {
				time.Sleep(time.Second)
			}
			return v, nil
		}
		s := input.Map(slow).Batch(2, 0).MapConcurrent(3, func(_ ctx, b []string) ([]string, error) { return b, nil }, stream.KeepOrder()).To(out)
		must(t, start(t, l, commitNow(s)).wait())
		var got []string
		for _, o := range out.outs {
			got = append(got, o.Value...)
		}
		same(t, "order", got, []string{"a0", "a1", "a2", "a3"})
	})
}

func TestWhatADrainOutOfTimeLosesBelowACommitIsNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a0")
		deaf := func(ctx, string) error { time.Sleep(time.Millisecond); return nil }
		j := start(t, l, input.CommitBefore(1, 0).Serial(deaf).Serial(pass[string]), stream.DrainTimeout(0))
		if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
			t.Errorf("a record that was committed did not get through, and Run returned %v", err)
		}
	})
}

func TestBatchesBelowAKeepOrderFollowOneAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "a1")
		slow := func(_ ctx, v string) error {
			if v == "a1" {
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		}
		first := func(c ctx, b []string) ([]string, error) { return b, w.do(c, b[0]) }
		s := input.Concurrent(2, slow, stream.KeepOrder()).Batch(20, time.Millisecond).Map(first).RetryOnError(every(time.Second, 2))
		j := start(t, l, commitNow(s))
		elapse(2 * time.Second)
		same(t, "begun", w.tried(), []string{"a0", "a0", "a1"})
		j.committed(2)
	})
}
