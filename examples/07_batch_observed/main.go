// Batch_observed is a worker whose step takes a hundred records at once. It is logged, traced and
// measured per batch, and per record in the batch.
//
//	GOTOOLCHAIN=auto go run ./examples/07_batch_observed
//
// A batch has no single trace to continue. Its span starts a trace of its own, is linked to the
// traces of all its records, and has a child span for each record. The trace of each record
// continues too, from its producer until it is finished. The sizes of batches are a histogram.
//
// Order: each partition's. Speed: 100 records at a time. Guarantee: at least once. A failure: all
// records of the batch, or those named by a PartialError, are logged and skipped. Use it where one
// call for many records is cheaper than many calls: a bulk insert, a request over a network.
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
		Batch(100, time.Second). // up to 100 records of a partition, or those of one second
		// order: each partition's; degree: one batch at a time
		Serial(insert, stream.Named("insert")).
		SkipOnError(). // failure: skip
		CommitEach()   // below the work: at least once
}

func observed(logger *zap.Logger, tp trace.TracerProvider, reg prometheus.Registerer) stream.Option {
	return stream.Observe(zaplog.To(logger), oteltrace.To(tp), prommetrics.To(reg))
}

// insert acts like a bulk insert that refuses single rows.
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
