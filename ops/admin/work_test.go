package admin_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/internal/opstest"
)

// work is what a caller knows of the work of a step.
type work struct {
	PerSecond, FailedPerSecond float64
	Median, Slow               *float64
}

// work is the work of the only step.
func (w *worker) work() *work {
	w.t.Helper()
	var body struct {
		Pipelines []struct {
			Topology struct {
				Stages []struct{ Steps []struct{ Work *work } }
			}
		}
	}
	w.get("/v1/pipelines", "", &body)
	return body.Pipelines[0].Topology.Stages[0].Steps[0].Work
}

func TestWork(t *testing.T) {
	takes := func() handler {
		return func(_ context.Context, m kafka.Message) error {
			time.Sleep(10 * time.Millisecond)
			if string(m.Value) == bad {
				return errors.New("down")
			}
			return nil
		}
	}
	// put puts so many records into partition 1 every second, for some seconds.
	put := func(w *worker, perSecond int, seconds int) {
		for range seconds * 20 {
			for i := range perSecond / 20 {
				opstest.Put(w.log, 1, []string{"x", "y"}[i%2])
			}
			opstest.Pass(time.Second / 20)
		}
	}
	near := func(t *testing.T, what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want/3 {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	t.Run("tells the rate and the latency of a step, from the first look on", func(t *testing.T) {
		haltedBy(t, takes, nil, func(w *worker) {
			put(w, 100, 5)
			if is := w.work(); is != nil {
				t.Errorf("nobody has looked, and it tells %+v", is)
			}
			put(w, 100, 5)
			is := w.work()
			near(t, "rate", is.PerSecond, 100)
			near(t, "median", *is.Median, .01)
			near(t, "slow", *is.Slow, .01)
			put(w, 20, 16)
			near(t, "a lower rate", w.work().PerSecond, 20)
			opstest.Pass(16 * time.Second)
			if is := w.work(); is.PerSecond != 0 || is.Median != nil {
				t.Errorf("idle: %+v", is)
			}
		})
	})
	t.Run("tells what fails", func(t *testing.T) {
		haltedBy(t, takes, nil, func(w *worker) {
			w.work()
			for range 10 {
				must(t, w.p.Resume(w.p.Halts()[0]))
				opstest.Pass(time.Second)
			}
			near(t, "failures", w.work().FailedPerSecond, 1)
		})
	})
	t.Run("measures nothing once nobody looks", func(t *testing.T) {
		haltedBy(t, takes, nil, func(w *worker) {
			w.work()
			put(w, 20, 90)
			if is := w.work(); is != nil {
				t.Errorf("nobody has looked for 90 s, and it tells %+v", is)
			}
		})
	})
	t.Run("estimates a high rate from few calls, and a low one after it", func(t *testing.T) {
		haltedBy(t, func() handler { return func(context.Context, kafka.Message) error { return nil } }, nil, func(w *worker) {
			w.work()
			put(w, 1500, 3)
			near(t, "rate", w.work().PerSecond, 1500)
			put(w, 20, 20)
			w.work()
			put(w, 20, 16)
			near(t, "a lower rate", w.work().PerSecond, 20)
		})
	})
	t.Run("misses no call in a quiet time after a high rate", func(t *testing.T) {
		haltedBy(t, func() handler { return func(context.Context, kafka.Message) error { return nil } }, nil, func(w *worker) {
			w.work()
			put(w, 1500, 2)
			opstest.Pass(16 * time.Second)
			w.work()
			put(w, 20, 1)
			if is := w.work(); is.PerSecond != 20./15 {
				t.Errorf("rate: %v, want 20 calls in 15 s", is.PerSecond)
			}
		})
	})
}
