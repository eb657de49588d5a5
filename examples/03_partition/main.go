// Partition handles the records of a partition in order, and the partitions side by side.
//
//	GOTOOLCHAIN=auto go run ./examples/03_partition
//
// Order: each partition's. Speed: one record at a time for each partition of this worker.
// Guarantee: at least once. A failure: skipped. Use it where the order of a whole partition
// matters: applying a log, keeping a state.
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
		GroupByPartition().           // order: each partition's
		Serial(h.handle).             // degree: one at a time in each
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
	if err := h.start.Await(ctx, partitions); err != nil {
		return err
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { partition.Main() }

const partitions = 6

var partition = demo.Program{Name: "partition", Partitions: partitions, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(1200, 0)...)
	if err != nil {
		return err
	}
	h := new(handler)
	began := time.Now()
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	took := time.Since(began)
	rec := &h.rec
	d.Check("handled", rec.Handled() == len(records) && rec.Twice() == 0, "%d of %d records, in %v", rec.Handled(), len(records), took.Round(time.Millisecond))
	d.Check("in order", len(rec.OutOfOrder(demo.ByPartition)) == 0, "one after another in each partition, but for %d", len(rec.OutOfOrder(demo.ByPartition)))
	d.Check("side by side", rec.Peak(demo.ByPartition) == partitions && rec.Peak(demo.ByPlace) == partitions,
		"%d records of %d partitions at a time", rec.Peak(demo.ByPlace), rec.Peak(demo.ByPartition))
	return d.CheckCommitted(ctx)
}
