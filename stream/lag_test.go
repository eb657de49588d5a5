package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestLag(t *testing.T) {
	type lag struct {
		records    int64
		time       time.Duration
		active     int64
		activeTime time.Duration
	}
	check := func(t *testing.T, j *job, want lag) {
		t.Helper()
		s := j.Snapshot().Partitions[0]
		if got := (lag{s.Lag, s.LagTime, s.ActiveLag, s.ActiveLagTime}); got != want {
			t.Errorf("lag %+v, want %+v", got, want)
		}
	}
	t.Run("is of the oldest record that is not committed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			release := w.hold("a1")
			put(l, 0, "a0")
			elapse(time.Minute)
			put(l, 0, "a1", "a2")
			j := start(t, l, commitNow(input.Serial(w.do)))
			elapse(time.Minute)
			put(l, 0, "a3")
			synctest.Wait()
			check(t, j, lag{3, time.Minute, 3, time.Minute})
			release()
			elapse(time.Second)
			check(t, j, lag{})
		})
	})
	t.Run("leaves out parked records if it is the active lag", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0", "a1", "b2")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).ParkOnError()))
			elapse(time.Minute)
			check(t, j, lag{3, time.Minute, 0, 0})
			release := w.hold("c4")
			put(l, 0, "a3", "c4")
			elapse(time.Minute)
			check(t, j, lag{5, 2 * time.Minute, 1, time.Minute})
			release()
		})
	})
	t.Run("counts records that are not read", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0", "a1", "a2", "a3")
			j := start(t, l, commitNow(input.Serial(w.do).HaltOnError()), stream.MaxInFlight(2))
			elapse(time.Minute)
			check(t, j, lag{4, time.Minute, 4, time.Minute})
		})
	})
}
