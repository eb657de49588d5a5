// Observed is a worker that is logged, traced and measured, record by record: three observers
// around a chain that knows nothing of them.
//
//	GOTOOLCHAIN=auto go run ./examples/06_observed
//
// A record's span continues the trace that its producer started and sent in the record's headers.
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, spans go to a collector. With -metrics :9464, Prometheus
// can scrape the metrics. docker-compose.yml has both, and a dashboard.
//
// Order: each partition's. Speed: one record at a time. Guarantee: at least once. A failure:
// logged, counted, added to the span, and skipped. Use it everywhere: logs and metrics cost almost
// nothing per record, and the sampler limits the cost of traces.
package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops/oteltrace"
	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/ops/zaplog"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Serial(h.handle, stream.Named("worker")). // order: each partition's; degree: one at a time
		SkipOnError().                            // failure: skip
		CommitEvery(100, time.Second)             // below the work: at least once
}

func observed(logger *zap.Logger, tp trace.TracerProvider, reg prometheus.Registerer) stream.Option {
	return stream.Observe(zaplog.To(logger), oteltrace.To(tp), prommetrics.To(reg))
}

// handler handles records, and fails on every tenth.
type handler struct{ tracer trace.Tracer }

func (h *handler) handle(ctx context.Context, m kafka.Message) error {
	// the handler's own span, below that of the step
	ctx, span := h.tracer.Start(ctx, "look it up")
	defer span.End()
	if m.Offset%10 == 9 {
		return errUnknown
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { program.Main() }

const partitions = 4

var program = demo.Program{Name: "observed", Partitions: partitions, Observed: true, Run: run}
