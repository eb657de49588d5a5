package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/ops/admin"
	"github.com/laneway-go/laneway/ops/internal/opstest"
)

// past is what a caller knows of a history.
type past struct {
	Samples []struct {
		Seq                                int64
		At                                 time.Time
		FinishedPerSecond, FailedPerSecond float64
		Lag                                *int64
		InFlight                           int
	}
	Next int64
}

func (d desk) history(after int64) (body past) {
	d.t.Helper()
	d.get(fmt.Sprintf("/v1/pipelines/billing/history?after=%d", after), "", &body)
	return body
}

// sample has the worker take samples until stop is called.
func (w *worker) sample() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		admin.Sample(ctx, w.Handler)
	}()
	return func() { cancel(); <-ended }
}

func TestHistory(t *testing.T) {
	t.Run("has a sample for each 5 seconds before anybody looked", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			defer w.sample()()
			synctest.Wait()
			opstest.Put(w.log, 1, "d", "e", "f")
			must(t, w.p.Resume(w.p.Halts()[0])) // its record fails again, the one behind it does not
			opstest.Pass(5 * time.Minute)
			h := w.history(0)
			if len(h.Samples) != 60 || h.Next != 60 {
				t.Fatalf("%d samples, next %d", len(h.Samples), h.Next)
			}
			var finished, failed float64
			for i, s := range h.Samples {
				finished, failed = finished+5*s.FinishedPerSecond, failed+5*s.FailedPerSecond
				if i > 0 && s.At.Sub(h.Samples[i-1].At) != 5*time.Second {
					t.Errorf("a sample at %v, after %v", s.At, h.Samples[i-1].At)
				}
			}
			if last := h.Samples[59]; finished != 4 || failed != 1 || last.Lag == nil || *last.Lag != 1 || last.InFlight != 1 {
				t.Errorf("%v finished, %v failed, at last %+v", finished, failed, last)
			}
			opstest.Pass(12 * time.Second)
			if h := w.history(h.Next); len(h.Samples) != 2 || h.Samples[0].Seq != 61 || h.Next != 62 {
				t.Errorf("afterwards: %+v", h)
			}
		})
	})
	t.Run("is of 15 minutes", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			defer w.sample()()
			opstest.Pass(time.Hour)
			h := w.history(0)
			if n := len(h.Samples); n != 180 || h.Samples[n-1].At.Sub(h.Samples[0].At) != 179*5*time.Second {
				t.Errorf("%d samples: %+v", n, h.Samples)
			}
		})
	})
	t.Run("of a Handler begins with the first look", func(t *testing.T) {
		halted(t, -1, nil, func(w *worker) {
			if n := len(w.history(0).Samples); n != 0 {
				t.Errorf("%d samples", n)
			}
			for range 8 {
				opstest.Pass(2 * time.Second)
				w.history(0)
			}
			if n := len(w.history(0).Samples); n != 2 {
				t.Errorf("%d samples", n)
			}
		})
	})
	t.Run("needs a pipeline, and a number", func(t *testing.T) {
		d := idle(t)
		d.refuses(404, "no pipeline", http.MethodGet, "/v1/pipelines/other/history", reads, "")
		d.refuses(400, "a number that next gave", http.MethodGet, "/v1/pipelines/billing/history?after=x", reads, "")
	})
}
