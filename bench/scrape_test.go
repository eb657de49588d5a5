package bench

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// BenchmarkScrape measures what one scrape of a worker with 5,000 partitions costs, and how much of it is Pipeline.Snapshot, the registry's Gather, and the
// text that goes over the wire.
func BenchmarkScrape(b *testing.B) {
	const partitions = 5000
	log, registry := streamtest.Kafka("orders", partitions), prometheus.NewRegistry()
	for p := range partitions {
		log.Append(p, "key", kafka.Message{Value: []byte("a")}, kafka.Message{Value: []byte("b")})
	}
	p, err := stream.From[kafka.Message](nil).
		GroupByKey().
		Concurrent(64, noop).
		CommitEvery(1000, 100*time.Millisecond).
		Build(log.Source(), stream.Named("billing"), stream.Observe(prommetrics.To(registry)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for !allCommitted(p.Snapshot(), partitions) {
		time.Sleep(10 * time.Millisecond)
	}
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Snapshot()
		}
	})
	b.Run("ready", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = p.Ready()
		}
	})
	b.Run("gather", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := registry.Gather(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scrape", func(b *testing.B) {
		b.ReportAllocs()
		h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
		}
	})
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

func allCommitted(s stream.Snapshot, partitions int) bool {
	for _, p := range s.Partitions {
		if p.Lag != 0 {
			return false
		}
	}
	return len(s.Partitions) == partitions
}
