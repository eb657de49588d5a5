package prommetrics_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// worker builds a measured pipeline of three records.
func worker(t *testing.T, r prometheus.Registerer) *stream.Pipeline {
	t.Helper()
	p, err := source.Slice(1, 2, 3).
		Concurrent(4, func(_ context.Context, n int) error {
			if n == 2 {
				return errors.New("two")
			}
			return nil
		}, stream.Named("count")).
		SkipOnError().
		CommitEach().
		Build(stream.Named("p"), stream.Observe(prommetrics.To(r)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ended runs a pipeline to its end and drops it.
func ended(t *testing.T, r prometheus.Registerer) weak.Pointer[stream.Pipeline] {
	t.Helper()
	p := worker(t, r)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return weak.Make(p)
}

func TestEndedPipelines(t *testing.T) {
	t.Run("are not kept in memory", func(t *testing.T) {
		r := prometheus.NewRegistry()
		var ps []weak.Pointer[stream.Pipeline]
		for range 20 {
			ps = append(ps, ended(t, r))
		}
		ps = append(ps, weak.Make(worker(t, r))) // one that never runs
		for i, p := range ps {
			// goroutines of Run may end a moment after it
			for late := time.Now().Add(20 * time.Second); p.Value() != nil && time.Now().Before(late); {
				runtime.GC()
			}
			if p.Value() != nil {
				t.Errorf("pipeline %d is still in memory", i)
			}
		}
		runtime.KeepAlive(r)
	})

	t.Run("leave their counters to the next pipeline of that name", func(t *testing.T) {
		r := prometheus.NewRegistry()
		for n := 1; n <= 5; n++ {
			ended(t, r)
			for range 2 { // in memory or not, it counts once
				exposes(t, r,
					fmt.Sprintf(`records_handled_total{partition="0",pipeline="p",source="",topic="slice"} %d`, 3*n),
					fmt.Sprintf(`records_skipped_total{partition="0",pipeline="p",source="",topic="slice"} %d`, n),
					`running{pipeline="p"} 0`)
				runtime.GC()
			}
		}
	})

	t.Run("do not pile up between two scrapes", func(t *testing.T) {
		r := prometheus.NewRegistry()
		const warm, n, most = 50, 200, 256
		var before, after runtime.MemStats
		for i := range warm + n {
			if i == warm {
				before = heap()
			}
			ended(t, r)
		}
		runtime.GC()
		worker(t, r) // building the next one removes ended ones
		after = heap()
		if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > most {
			t.Errorf("each ended pipeline keeps %d bytes", each)
		}
		runtime.KeepAlive(r)
	})
}

func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// capture keeps the registered collector.
type capture struct {
	prometheus.Registerer
	collector prometheus.Collector
}

func (c *capture) Register(what prometheus.Collector) error {
	c.collector = what
	return c.Registerer.Register(what)
}

func TestScrape(t *testing.T) {
	t.Run("without a reader does not block a worker", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 2), &capture{Registerer: prometheus.NewRegistry()}
			m := l.Member()
			opstest.Put(l, 0, "a", "bad", "c")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": -1})).RetryOnError(opstest.Retries(2)).SkipOnError().CommitEach()
			read := make(chan prometheus.Metric)
			scraped := make(chan struct{})
			opts := []stream.Option{m.Source(), stream.Observe(prommetrics.To(r))}
			opstest.Run(t, s, opts, func(p *stream.Pipeline) {
				go func() {
					defer close(scraped)
					r.collector.Collect(read)
				}()
				opstest.Pass(time.Second) // the scrape waits for its first reader
				if err := m.Assign(0); err != nil {
					t.Fatal(err)
				}
				opstest.Pass(time.Hour)
				if s := p.Snapshot(); s.Partitions[0].Committed != 3 {
					t.Errorf("committed %d, want 3", s.Partitions[0].Committed)
				}
				if err := m.Revoke(0, 0); err != nil {
					t.Fatal(err)
				}
				worker(t, r.Registerer) // nor does it block a new pipeline
			})
			go func() {
				for range read {
				}
			}()
			<-scraped
			close(read)
		})
	})

	t.Run("sends each metric in the registry's order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders", 12), &capture{Registerer: prometheus.NewRegistry()}
			opts := []stream.Option{l.Source(), stream.Observe(prommetrics.To(r))}
			opstest.Run(t, opstest.Orders.Serial(opstest.Failing(nil)).CommitEach(), opts, func(*stream.Pipeline) {
				ch := make(chan prometheus.Metric, 1000)
				r.collector.Collect(ch)
				close(ch)
				last := map[string]string{}
				for m := range ch {
					var out dto.Metric
					if err := m.Write(&out); err != nil {
						t.Fatal(err)
					}
					if len(out.Label) != 3 {
						continue
					}
					name, at := m.Desc().String(), out.Label[0].GetValue()
					if at <= last[name] {
						t.Errorf("%s: partition %s after %s", name, at, last[name])
					}
					last[name] = at
				}
			})
		})
	})
}

func TestLabels(t *testing.T) {
	t.Run("are UTF-8", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, r := streamtest.Kafka("orders \xff", 1), prometheus.NewRegistry()
			opstest.Put(l, 0, "bad")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": -1}), stream.Named("charge \xff")).SkipOnError().CommitEach()
			opts := []stream.Option{l.Source(), stream.Named("billing \xff"), stream.Observe(prommetrics.To(r))}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			exposes(t, r,
				`records_skipped_total{partition="0",pipeline="billing \\xff",source="",topic="orders \\xff"} 1`,
				`step_attempts_failed_total{pipeline="billing \\xff",step="charge \\xff"} 1`)
		})
	})
}

func TestBuildRefuses(t *testing.T) {
	t.Run("no registry", func(t *testing.T) { opstest.Refuses(t, prommetrics.To(nil)) })
	t.Run("a registry with another's metric of one of the names", func(t *testing.T) {
		taken := prometheus.NewRegistry()
		taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "laneway_halted", Help: "somebody else's"}))
		opstest.Refuses(t, prommetrics.To(taken))
	})
}
