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

func TestHaltKeepsOtherPartitionsRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork().poison("a1", errBoom)
		put(l, 0, "a0", "a1", "a2")
		put(l, 1, "b0", "b1")
		j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError()))
		put(l, 0, "a3")
		put(l, 1, "b2")
		synctest.Wait()

		same(t, "partition 0", w.doneOf("a"), []string{"a0"})
		same(t, "partition 1", w.doneOf("b"), []string{"b0", "b1", "b2"})
		j.committed(1, 3)
		if s := j.Snapshot().Partitions[0]; s.State != stream.StateHalted || s.Halt == nil || s.Halt.Meta.Offset != 1 {
			t.Errorf("snapshot: %+v", s)
		}
		if err := j.stop(); err != nil {
			t.Errorf("a halt is no failure of the pipeline: %v", err)
		}
	})
}

func TestHaltTellsWhatIsFrozenSinceWhenAndWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().poison("a1", errBoom)
		put(l, 0, "a0", "a1")
		began := time.Now()
		j := start(t, l, commitNow(input.Serial(w.do, stream.Named("charge")).RetryOnError(every(time.Second, 2)).HaltOnError()))
		elapse(time.Minute)

		h := j.halt()
		if h.Meta.String() != "t[0]@1" || h.Step != "charge" || h.Attempts != 2 || !errors.Is(h.Err, errBoom) ||
			h.Record != "a1" || h.Value != "a1" || !h.Since.Equal(began.Add(time.Second)) {
			t.Errorf("halt: %+v", h)
		}
		for _, part := range []string{"t[0] is halted since", "charge: t[0]@1 failed after 2 attempts: boom", "Resume", "Skip"} {
			if !strings.Contains(h.String(), part) {
				t.Errorf("%q does not say %q", h, part)
			}
		}
		if got := heard[stream.Halted](j); len(got) != 1 || got[0].Meta.Offset != 1 {
			t.Errorf("events: %v", got)
		}
	})
}

func TestHaltLeavesThePipelineReadyUnlessItIsStrict(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strict := stream.EveryPartition
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0")
		j := start(t, l, commitNow(input.Serial(w.do).HaltOnError()), stream.ReadyWhen(func(s stream.Snapshot) error { return strict(s) }))
		if err := j.Ready(); err == nil || !strings.Contains(err.Error(), "t[0]@0") {
			t.Errorf("Ready, where it is strict: %v", err)
		}
		strict = func(stream.Snapshot) error { return nil }
		if err := j.Ready(); err != nil {
			t.Errorf("Ready: %v", err)
		}
		if err := j.Live(); err != nil {
			t.Errorf("Live: %v", err)
		}
		if err := j.Resume(j.halt()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := j.Ready(); err != nil {
			t.Errorf("Ready after Resume: %v", err)
		}
		j.committed(1)
	})
}

func TestHaltDropsWhatIsQueuedAndLetsWhatRunsFinish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "b0", "c0", "d0")
		releaseA, releaseB := w.hold("a0"), w.hold("b0")
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError()))
		releaseA()
		synctest.Wait()
		same(t, "begun", w.tried()[2:], nil)
		releaseB()
		synctest.Wait()
		same(t, "finished", w.done(), []string{"b0"})
		j.committed(0)

		if err := j.Resume(j.halt()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sameSet(t, "tried", w.tried(), []string{"a0", "a0", "b0", "c0", "d0"})
		j.committed(4)
	})
}

func TestHaltEndsWaitingRetriesOfItsPartition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork().fail("a0", errBoom, errBoom).fail("b0", stream.Permanent(errBoom)).fail("c0", errBoom)
		put(l, 0, "a0", "b0")
		put(l, 1, "c0")
		release := w.hold("b0")
		j := start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).RetryOnError(every(time.Hour, 9)).HaltOnError()))
		if n := j.Snapshot().Retrying; n != 2 {
			t.Fatalf("%d retries wait", n)
		}
		release()
		synctest.Wait()
		if n := j.Snapshot().Retrying; n != 1 {
			t.Errorf("%d retries wait after the halt: that of the other partition goes on", n)
		}
		if err := j.Resume(j.halt()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sameSet(t, "tried after Resume", w.tried(), []string{"a0", "b0", "c0", "a0", "b0"})
		elapse(2 * time.Hour)
		j.committed(2, 1)
	})
}

func TestHaltedPartitionLeavesTheBudgetOfTheOthersAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(2), newWork().poison("a0", errBoom)
		put(l, 0, count("a", 50)...)
		put(l, 1, count("b", 500)...)
		j := start(t, l, commitNow(input.GroupByPartition().Serial(w.do).HaltOnError()), stream.MaxInFlight(8), stream.MaxBytes(16))
		synctest.Wait()
		if got := l.Committed(1); got != 500 {
			t.Errorf("the other partition: committed %d", got)
		}
		if s := j.Snapshot().Partitions[0]; s.InFlight > 8 {
			t.Errorf("%d records of the frozen partition are held", s.InFlight)
		}
	})
}

func TestHaltByTheSourceNamesTheOffsetAndSkipGoesOnBehindIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l, w := newLog(1), newWork()
		put(l, 0, "a", "b")
		j := join(t, l, input.Serial(w.do).CommitEvery(100, time.Second))
		l.StopAt(0, 1)
		must(t, j.member.Assign(0))
		synctest.Wait()
		must(t, j.member.Halt(0, 1, 2, errBoom))
		put(l, 0, "c")
		l.StopAt(0, -1)
		synctest.Wait()
		same(t, "while halted", w.done(), []string{"a"})
		h := j.halt()
		if h.Meta.String() != "t[0]@1" || !errors.Is(h.Err, errBoom) {
			t.Errorf("halt: %v", h)
		}
		must(t, j.Skip(h))
		elapse(time.Second)
		same(t, "after Skip", w.done(), []string{"a", "c"})
		j.committed(3)
	})
}

func TestHaltUnderABatchNamesItsFirstFailedRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newLog(1)
		put(l, 0, "a", "b", "c", "d")
		bad := true
		var got [][]string
		j := start(t, l, commitNow(input.Batch(4, 0).Serial(func(_ ctx, b []string) error {
			got = append(got, b)
			if bad {
				return &stream.PartialError{Errs: map[int]error{2: errBoom}}
			}
			return nil
		}).HaltOnError()))
		if h := j.halt(); h.Meta.Offset != 2 || !errors.Is(h.Err, errBoom) {
			t.Errorf("halt: %v", h)
		}
		j.committed(2)
		bad = false
		must(t, j.Resume(j.halt()))
		synctest.Wait()
		must(t, j.stop())
		if len(got) != 2 || !slices.Equal(got[1], []string{"c"}) {
			t.Errorf("batches: %v", got)
		}
		j.committed(4)
	})
}
