// Partition handles a partition at a time, in order, and the partitions side by side.
//
//	GOTOOLCHAIN=auto go run ./examples/03_partition
//
// Order: each partition's. Speed: as many records at a time as this worker has partitions.
// Guarantee: at least once. A failure: skipped. Use it where the order of a whole partition
// matters: a log to be applied, a state to be kept.
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByPartition().           // order: each partition's
		Serial(c.handle).             // degree: one at a time in each
		SkipOnError().                // failure: skip
		CommitEvery(100, time.Second) // below the work: at least once
}

// clerk handles records, and remembers which and when.
type clerk struct {
	tape  demo.Tape
	start demo.Meeting
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if err := c.start.Await(ctx, partitions); err != nil {
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
	c := new(clerk)
	began := time.Now()
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	took := time.Since(began)
	tape := &c.tape
	d.Check("handled", tape.Handled() == len(records) && tape.Twice() == 0, "%d of %d records, in %v", tape.Handled(), len(records), took.Round(time.Millisecond))
	d.Check("in order", len(tape.OutOfOrder(demo.ByPartition)) == 0, "one after another in each partition, but for %d", len(tape.OutOfOrder(demo.ByPartition)))
	d.Check("side by side", tape.Peak(demo.ByPartition) == partitions && tape.Peak(demo.ByPlace) == partitions,
		"%d records of %d partitions at a time", tape.Peak(demo.ByPlace), tape.Peak(demo.ByPartition))
	return d.CheckCommitted(ctx)
}
