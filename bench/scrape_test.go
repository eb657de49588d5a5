package bench

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// BenchmarkScrape measures the cost of a scrape of a worker with 5,000 partitions:
// Pipeline.Snapshot, the collector (which takes a snapshot), the registry's Gather around that, and
// all of it with the text format. floor is all of it for the same series from a collector that only
// hands them out.
func BenchmarkScrape(b *testing.B) {
	const partitions = 5000
	log, registry := streamtest.Kafka("orders", partitions), prometheus.NewRegistry()
	for p := range partitions {
		log.Append(p, "key", kafka.Message{Value: []byte("a")}, kafka.Message{Value: []byte("b")})
	}
	only := &capture{Registerer: registry}
	p, err := stream.From[kafka.Message](nil).
		GroupByKey().
		Concurrent(64, noop).
		CommitEvery(1000, 100*time.Millisecond).
		Build(log.Source(), stream.Named("billing"), stream.Observe(prommetrics.To(only)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for !allCommitted(p.Snapshot(), partitions) {
		time.Sleep(10 * time.Millisecond)
	}
	families, err := registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("snapshot", func(b *testing.B) { costOf(b, func() { p.Snapshot() }) })
	b.Run("collect", func(b *testing.B) { costOf(b, func() { collect(only.collector) }) })
	b.Run("gather", func(b *testing.B) { costOf(b, func() { _, _ = registry.Gather() }) })
	b.Run("scrape", func(b *testing.B) { costOf(b, func() { scrape(registry) }) })
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	floor := prometheus.NewRegistry()
	floor.MustRegister(fixed(families))
	b.Run("floor", func(b *testing.B) { costOf(b, func() { scrape(floor) }) })
}

// costOf measures the wall and the processor time of a call.
func costOf(b *testing.B, f func()) {
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64((cpu()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func allCommitted(s stream.Snapshot, partitions int) bool {
	for _, p := range s.Partitions {
		if p.Lag != 0 {
			return false
		}
	}
	return len(s.Partitions) == partitions
}

func scrape(r *prometheus.Registry) {
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
}

func collect(c prometheus.Collector) {
	ch := make(chan prometheus.Metric, 1000) // as the registry's
	go func() {
		defer close(ch)
		c.Collect(ch)
	}()
	for range ch {
	}
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

// fixed returns a collector of metrics gathered before.
func fixed(families []*dto.MetricFamily) prometheus.Collector {
	var all handedOut
	for _, f := range families {
		desc := prometheus.NewDesc(f.GetName(), f.GetHelp(), nil, nil)
		for _, m := range f.Metric {
			all = append(all, &made{desc, m})
		}
	}
	return all
}

type handedOut []*made

func (handedOut) Describe(chan<- *prometheus.Desc) {}

func (h handedOut) Collect(ch chan<- prometheus.Metric) {
	for _, m := range h {
		ch <- m
	}
}

type made struct {
	desc *prometheus.Desc
	m    *dto.Metric
}

func (m *made) Desc() *prometheus.Desc { return m.desc }

func (m *made) Write(to *dto.Metric) error {
	to.Label, to.Gauge, to.Counter, to.Histogram = m.m.Label, m.m.Gauge, m.m.Counter, m.m.Histogram
	return nil
}
