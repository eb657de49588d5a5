// Batch_observed is a worker whose step takes a hundred records at once, logged, traced and
// measured: per batch, and per record in it.
//
//	GOTOOLCHAIN=auto go run ./examples/07_batch_observed
//
// A batch has no one trace to go on with: its span begins a trace of its own and is linked to the
// trace of every record in it, and under it each record has a span. Each record's own trace goes on
// too, from its producer to where it is done. The sizes of batches are a histogram.
//
// Order: each partition's. Speed: 100 records at a time. Guarantee: at least once. A failure: of a
// batch all that are in it, or what a PartialError names, is logged and skipped. Use it where one
// call for many is cheaper than many calls: a bulk insert, a request over a network.
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

func worker(from source.KafkaConfig) stream.Stream[[]kafka.Message] {
	return source.Kafka(from).
		Batch(100, time.Second). // up to 100 of a partition, or what a second brings
		// order: each partition's; degree: one batch at a time
		Serial(insert, stream.Named("insert")).
		SkipOnError(). // failure: skip
		CommitEach()   // below the work: at least once
}

func observed(logger *zap.Logger, tp trace.TracerProvider, reg prometheus.Registerer) stream.Option {
	return stream.Observe(zaplog.To(logger), oteltrace.To(tp), prommetrics.To(reg))
}

// insert is as a bulk insert would be that refuses single rows.
func insert(ctx context.Context, batch []kafka.Message) error {
	refused := map[int]error{}
	for i, m := range batch {
		if m.Offset%50 == 49 {
			refused[i] = errRefused
		}
	}
	if err := demo.Pause(ctx, 2*time.Millisecond); err != nil || len(refused) == 0 {
		return err
	}
	return &stream.PartialError{Errs: refused}
}

func main() { program.Main() }

const partitions = 2

var program = demo.Program{Name: "batch-observed", Partitions: partitions, Observed: true, Run: run}
