// Limited handles at most two records at a time.
//
//	GOTOOLCHAIN=auto go run ./examples/08_limited
//
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, Jaeger shows all records as one trace, with never more
// than two side by side.
//
// Order: none. Speed: 2 records at a time. Guarantee: at least once. A failure: skipped. Use it if
// the handler calls something with little capacity: a small database, a paid API. To limit a rate,
// use Throttle. To share one limit between steps, give each stream.Use(ops.Limit(2)).
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Concurrent(2, h.handle).      // degree: 2 at a time; order: none
		SkipOnError().                // failure: skip
		CommitEvery(100, time.Second) // below the work: at least once
}

// handler handles records and notes which and when.
type handler struct {
	rec   demo.Recorder
	start demo.Meeting
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if err := h.start.Await(ctx, 2); err != nil {
		return err
	}
	return demo.Pause(ctx, 2*time.Millisecond)
}

func main() { limited.Main() }

var limited = demo.Program{Name: "limited", Partitions: 4, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.SeedInOneTrace(ctx, demo.Numbered(500, 100)...)
	if err != nil {
		return err
	}
	h := new(handler)
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	d.Check("handled", h.rec.Handled() == len(records) && h.rec.Twice() == 0, "%d of %d records of 4 partitions and 100 keys", h.rec.Handled(), len(records))
	d.Check("limited", h.rec.Peak(demo.ByPlace) == 2, "never more than %d at a time", h.rec.Peak(demo.ByPlace))
	return d.CheckCommitted(ctx)
}
