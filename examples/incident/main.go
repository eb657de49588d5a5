// Incident is a bad day. Within seconds, everything that an operator may meet happens to one
// worker, to see it on the dashboard, in the traces and in the log.
//
//	docker compose up -d
//	KAFKA_BROKERS=localhost:9094 OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 GOTOOLCHAIN=auto go run ./examples/incident -forever -metrics :9464
//
// Some records fail once and are retried, some are malformed and skipped, some fail for good and
// become dead letters. A few halt their partition until an operator fixes the cause, who then
// limits the rate. Some are slow. A second member joins the group and leaves it in a hurry, so that
// records it had finished are repeated.
//
// With -console it serves the console, and leaves each halt to you for a minute. Its token is on
// standard error.
//
// Order: each key's, then none. Speed: 8 keys at a time. Guarantee: at least once.
package main

import (
	"flag"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler, letters stream.Sink[stream.Failure]) stream.Stream[[]kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(8, h.charge, stream.Named("charge")).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3, FirstWait: 2 * time.Second, MaxWait: 5 * time.Second}, stream.When(is(errBusy))).
		SkipOnError(stream.When(is(errMalformed))).
		DeadLetterOnError(letters, stream.When(is(errHopeless))).
		HaltOnError().
		Ungroup().
		Batch(50, 200*time.Millisecond).
		Serial(h.insert, stream.Named("insert")).
		HaltOnError().
		CommitEvery(100, 500*time.Millisecond)
}

var console = flag.String("console", "", "serve the console at this address, such as 127.0.0.1:7070, and leave each halt to you for a minute")

func main() { incident.Main() }

const partitions = 4

var incident = demo.Program{Name: "incident", Partitions: partitions, Observed: true, Run: run}
