package stream_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestOverrunning(t *testing.T) {
	t.Run("is reported once, while the handler runs", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			w.deaf = true
			put(l, 0, "a0")
			put(l, 1, "b0")
			release := w.hold("a0")
			began := time.Now()
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do, stream.Named("charge"), stream.Timeout(5*time.Second)).SkipOnError()))
			elapse(6*time.Second - 1)
			if got := heard[stream.Overrunning](j); len(got) != 0 {
				t.Errorf("told after %v: %v", time.Since(began), got)
			}
			elapse(1)
			got := heard[stream.Overrunning](j)
			if len(got) != 1 || got[0].Step != "charge" || got[0].Meta.String() != "t[0]@0" || got[0].Attempts != 1 ||
				got[0].Duration != 6*time.Second || !errors.Is(got[0].Err, context.DeadlineExceeded) {
				t.Fatalf("events: %v", got)
			}
			elapse(time.Hour)
			if n := j.Snapshot().Overruns; n != 1 || len(heard[stream.Overrunning](j)) != 1 {
				t.Errorf("%d overrun, events: %v", n, heard[stream.Overrunning](j))
			}
			release()
			synctest.Wait()
			if n := j.Snapshot().Overruns; n != 0 {
				t.Errorf("%d overrun after it has returned", n)
			}
			j.committed(1, 1)
		})
	})

	t.Run("is reported for a sink, for each attempt, and in a drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			tries := 0
			slow := sinkFunc[string](func(context.Context, []stream.Out[string]) error {
				tries++
				time.Sleep(5 * time.Second)
				if tries < 3 {
					return errBoom
				}
				return nil
			})
			j := start(t, l, commitNow(input.To(slow, stream.Timeout(time.Second)).RetryOnError(every(time.Second, 3))))
			elapse(12 * time.Second)
			must(t, j.stop())
			if got := heard[stream.Overrunning](j); len(got) != 3 || got[2].Attempts != 3 {
				t.Errorf("events: %v", got)
			}
			j.committed(1)
		})
	})

	t.Run("is not reported of a handler that may take any time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a")
			release := w.hold("a")
			j := start(t, l, commitNow(input.Serial(w.do, stream.Timeout(math.MaxInt64))))
			elapse(24 * time.Hour)
			if got := heard[stream.Overrunning](j); len(got) != 0 {
				t.Errorf("events: %v", got)
			}
			release()
		})
	})

	t.Run("is not reported if the handler respects its context, or a drain cancelled it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "b0")
			w.hold("a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do, stream.Timeout(time.Minute)).SkipOnError()), stream.DrainTimeout(time.Second))
			elapse(time.Hour)
			j.committed(2)
			put(l, 0, "a0")
			synctest.Wait()
			if err := j.stop(); !errors.Is(err, stream.ErrDrain) {
				t.Errorf("Run: %v", err)
			}
			if got := heard[stream.Overrunning](j); len(got) != 0 {
				t.Errorf("events: %v", got)
			}
		})
	})
}
