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

func TestRetryReRunsThatStepAloneOnItsOwnInput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, first, second := newLog(1), newWork(), newWork().fail("a", errBoom, errBoom)
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.MapSerial(first.echo).Serial(second.do).RetryOnError(every(time.Second, 3))))
		elapse(time.Minute)
		same(t, "first step", first.tried(), []string{"a", "b"})
		same(t, "second step", second.tried(), []string{"a", "a", "a", "b"})
		j.committed(2)
		if got := heard[stream.Retrying](j); len(got) != 2 || got[0].Wait != time.Second || got[1].Attempts != 2 || got[0].Meta.Offset != 0 {
			t.Errorf("events: %v", got)
		}
	})
}

func TestRetryHoldsItsLane(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "b0", "a1", "b1")
		start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).RetryOnError(every(time.Second, 3))))
		same(t, "while a0 waits", w.done(), []string{"b0", "b1"})
		elapse(time.Second)
		same(t, "of key a", w.doneOf("a"), []string{"a0", "a1"})
	})
}

func TestWaitingRetryHoldsNoWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a", errBoom).fail("b", errBoom).fail("c", errBoom)
		put(l, 0, "a", "b", "c", "d", "e")
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).RetryOnError(every(time.Hour, 3))))
		same(t, "while three wait", w.done(), []string{"d", "e"})
		if s := j.Snapshot(); s.Parked != 3 || s.Lent != 3 {
			t.Errorf("parked %d, lent %d, want 3", s.Parked, s.Lent)
		}
		elapse(2 * time.Hour)
		j.committed(5)
		if w.peak() != 1 {
			t.Errorf("%d at a time, the degree is 1", w.peak())
		}
	})
}

func TestWaitingRetryInsideAFlatMapHoldsNoWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a2", errBoom)
		put(l, 0, "a", "b")
		j := start(t, l, commitNow(input.GroupByKey().FlatMap(thrice).Concurrent(1, w.do).RetryOnError(every(time.Second, 3))))
		same(t, "while a2 waits", w.done(), []string{"a1", "b1", "b2", "b3"})
		elapse(time.Second)
		same(t, "of key a", w.doneOf("a"), []string{"a1", "a2", "a3"})
		j.committed(2)
	})
}

func TestParkLimitTurnsAnOutageIntoBackpressure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		vs := []string{}
		for _, k := range "abcdefghij" {
			w.fail(string(k), errBoom)
			vs = append(vs, string(k))
		}
		put(l, 0, vs...)
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).RetryOnError(every(time.Hour, 3))), stream.ParkLimit(3))
		// Three waits lend their slots, two more hold theirs: then nothing is left to begin the sixth.
		if n := len(w.tried()); n != 5 {
			t.Errorf("%d begun, want 3 parked and 2 that hold their slots", n)
		}
		elapse(10 * time.Hour)
		sameSet(t, "done", w.done(), vs)
		j.committed(10)
	})
}

func TestPermanentEndsRetrying(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", stream.Permanent(errBoom))
		put(l, 0, "a", "b")
		var seen []stream.Failure
		j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(every(time.Second, 5)).SkipOnError(stream.Watch(func(_ ctx, f stream.Failure) { seen = append(seen, f) }))))
		same(t, "tried", w.tried(), []string{"a", "b"})
		j.committed(2)
		if len(seen) != 1 || seen[0].Attempts != 1 || seen[0].Err.Error() != "boom" || !stream.IsPermanent(seen[0].Err) {
			t.Errorf("watched: %v", seen)
		}
	})
}

func TestRetryPolicyOfZeroTriesThreeTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", errBoom)
		put(l, 0, "a")
		began := time.Now()
		j := start(t, l, commitNow(input.Serial(w.do).RetryOnError(stream.RetryPolicy{}).SkipOnError()))
		must(t, l.WaitCommitted(t.Context(), 0, 1))
		same(t, "tried", w.tried(), []string{"a", "a", "a"})
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("took %v: the waits are drawn from up to 100 ms, then up to 200 ms", took)
		}
		for i, r := range heard[stream.Retrying](j) {
			if most := 100 * time.Millisecond << i; r.Wait > most {
				t.Errorf("wait %d is %v, at most %v", i+1, r.Wait, most)
			}
		}
	})
}

func TestSkipCountsAsDone(t *testing.T) {
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
}

func TestNoPolicyMeansThePipelineFails(t *testing.T) {
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
				same(t, "begun", w.tried(), []string{"a", "b"})
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
}

func TestFailureDrainsTheOthersAndCommitsThem(t *testing.T) {
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
}

func TestPanicIsAFailureWithItsStack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b")
		var seen []stream.Failure
		j := start(t, l, commitNow(input.Serial(explode).SkipOnError(stream.Watch(func(_ ctx, f stream.Failure) { seen = append(seen, f) }))))
		j.committed(2)
		var p *stream.PanicError
		if len(seen) != 1 || !errors.As(seen[0].Err, &p) || !errors.Is(seen[0].Err, errBoom) || !strings.Contains(string(p.Stack), "explode") {
			t.Errorf("failures: %v", seen)
		}
		if seen[0].Step != "explode" {
			t.Errorf("the step is %q, its function is explode", seen[0].Step)
		}
	})
}

func explode(_ ctx, v string) error {
	if v == "a" {
		panic(errBoom)
	}
	return nil
}

func TestConditionalPolicies(t *testing.T) {
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
}

func TestPoliciesEscalateDownward(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", errBoom)
		put(l, 0, "a")
		var order []string
		note := func(s string) stream.PolicyOption {
			return stream.Watch(func(_ ctx, f stream.Failure) { order = append(order, s+" "+f.Err.Error()) })
		}
		dead := &sink[stream.Failure]{err: errOther}
		j := start(t, l, commitNow(input.Serial(w.do).
			RetryOnError(every(0, 2), note("retry")).DeadLetterOnError(dead, note("dead")).SkipOnError(note("skip"))))
		same(t, "order", order, []string{"retry boom", "dead boom", "skip boom\nother"})
		j.committed(1)
	})
}

func TestEachStepHasThePoliciesBelowIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, first, second := newLog(1), newWork().poison("a", errBoom), newWork().poison("b", errBoom)
		put(l, 0, "a", "b", "c")
		j := start(t, l, commitNow(input.MapSerial(first.echo).SkipOnError().Serial(second.do).HaltOnError()))
		if h := j.halt(); h.Value != "b" {
			t.Errorf("halt: %v", h)
		}
		j.committed(1)
	})
}

func TestDeadLetterHoldsItsLaneUntilItIsDurable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a0", errBoom)
		put(l, 0, "a0", "a1", "b0")
		dead := &sink[stream.Failure]{takes: time.Minute}
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(1, w.do).DeadLetterOnError(dead)))
		same(t, "while it is written", w.done(), []string{"b0"})
		j.committed(0)
		elapse(time.Minute)
		same(t, "of key a", w.doneOf("a"), []string{"a1"})
		j.committed(3)
		got := dead.all()
		if len(got) != 1 || got[0].Meta.String() != "t[0]@0" || got[0].Value.Record != "a0" || !errors.Is(got[0].Value.Err, errBoom) {
			t.Errorf("dead letters: %v", got)
		}
		if es := heard[stream.DeadLettered](j); len(es) != 1 {
			t.Errorf("events: %v", es)
		}
	})
}

func TestDeadLetterFailureFallsToTheNextPolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", errBoom)
		put(l, 0, "a")
		j := start(t, l, commitNow(input.Serial(w.do).DeadLetterOnError(&sink[stream.Failure]{err: errOther}).HaltOnError()))
		if h := j.halt(); !errors.Is(h.Err, errBoom) || !errors.Is(h.Err, errOther) {
			t.Errorf("halt: %v", h)
		}
		if es := heard[stream.DeadLetterFailed](j); len(es) != 1 || es[0].Cause != errOther || es[0].Err != errBoom {
			t.Errorf("events: %v", es)
		}
	})
}

func TestDeadLetterFailureWithNothingBelowFailsThePipeline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a", errBoom)
		put(l, 0, "a")
		err := start(t, l, commitNow(input.Serial(w.do).DeadLetterOnError(&sink[stream.Failure]{err: errOther}))).wait()
		var step *stream.StepError
		if !errors.As(err, &step) || !errors.Is(err, errBoom) || !errors.Is(err, errOther) {
			t.Errorf("Run: %v", err)
		}
		committed(t, l, 0)
	})
}

func TestDeadLettersOfAPartitionAreWrittenOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork()
		for _, v := range []string{"a", "b", "c", "d"} {
			w.poison(v, errBoom)
		}
		put(l, 0, "a", "b")
		put(l, 1, "c", "d")
		dead := &sink[stream.Failure]{takes: time.Second}
		j := start(t, l, commitNow(input.Concurrent(4, w.do).DeadLetterOnError(dead)))
		elapse(time.Minute)
		if one, all := dead.peaks(); one != 1 || all != 2 {
			t.Errorf("%d writes at a time for one partition, %d overall; want 1 and 2", one, all)
		}
		j.committed(2, 2)
	})
}

func TestDeadLetterOfABatchIsWrittenElementByElement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b", "c")
		dead := new(sink[stream.Failure])
		j := start(t, l, commitNow(input.Batch(3, 0).Serial(func(ctx, []string) error { return errBoom }).DeadLetterOnError(dead)))
		j.committed(3)
		var records []string
		for _, f := range dead.values() {
			records = append(records, f.Record.(string))
		}
		same(t, "records", records, []string{"a", "b", "c"})
	})
}

func TestNoPolicyAppliesToCancelledWork(t *testing.T) {
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
}

func TestWatchSeesEveryElementOfAFailedBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b", "c")
		var offsets []int64
		start(t, l, commitNow(input.Batch(3, 0).Serial(func(ctx, []string) error { return errBoom }).
			SkipOnError(stream.Watch(func(_ ctx, f stream.Failure) { offsets = append(offsets, f.Meta.Offset) }))))
		if !slices.Equal(offsets, []int64{0, 1, 2}) {
			t.Errorf("watched: %v", offsets)
		}
	})
}
