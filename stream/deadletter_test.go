package stream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestDeadLetter(t *testing.T) {
	t.Run("holds its lane until it is durable", func(t *testing.T) {
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
	})
	t.Run("falls to the next policy when it fails", func(t *testing.T) {
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
	})
	t.Run("fails the pipeline when no policy is below", func(t *testing.T) {
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
	})
	t.Run("is written one at a time per partition", func(t *testing.T) {
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
	})
	t.Run("of a batch is written element by element", func(t *testing.T) {
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
	})
}
