// Observed is a worker that is logged, traced and measured, record by record: three observers
// beside a chain that knows nothing of them.
//
//	GOTOOLCHAIN=auto go run ./examples/06_observed
//
// Every record's span goes on with the trace that its producer began: the trace comes along in the
// record's headers. With OTEL_EXPORTER_OTLP_ENDPOINT set the spans go to a collector, with -metrics
// :9464 a Prometheus can scrape the metrics; docker-compose.yml has both, and a dashboard.
//
// Order: each partition's. Speed: one record at a time. Guarantee: at least once. A failure:
// logged, counted, noted at the span, and skipped. Use it everywhere: logs and metrics cost a
// record next to nothing, traces what the sampler lets them.
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

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Serial(c.handle, stream.Named("worker")). // order: each partition's; degree: one at a time
		SkipOnError().                            // failure: skip
		CommitEvery(100, time.Second)             // below the work: at least once
}

func observed(logger *zap.Logger, tp trace.TracerProvider, reg prometheus.Registerer) stream.Option {
	return stream.Observe(zaplog.To(logger), oteltrace.To(tp), prommetrics.To(reg))
}

// clerk handles records; every tenth is beyond it.
type clerk struct{ tracer trace.Tracer }

func (c *clerk) handle(ctx context.Context, m kafka.Message) error {
	// a span of the handler's own, below that of the step
	ctx, span := c.tracer.Start(ctx, "look it up")
	defer span.End()
	if m.Offset%10 == 9 {
		return errUnknown
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { program.Main() }

const partitions = 4

var program = demo.Program{Name: "observed", Partitions: partitions, Observed: true, Run: run}
