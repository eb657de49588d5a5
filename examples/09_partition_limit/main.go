// Partition_limit works on one partition at a time, with three workers by key in it, and takes the
// partitions in turn.
//
//	GOTOOLCHAIN=auto go run ./examples/09_partition_limit
//
// If OTEL_EXPORTER_OTLP_ENDPOINT is set, Jaeger shows the first records as one trace: three at a
// time, one partition after another.
//
// Order: each key's, within its partition. Speed: 3 keys of one partition at a time; a partition
// keeps its turn until it has nothing ready, or for 1,000 records while others wait. Guarantee: at
// least once. A failure: skipped. Use it where switching partitions is expensive: each needs a warm
// cache, an open file, a lock.
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
		GroupByKey().                                     // order: each key's
		Concurrent(3, h.handle, stream.MaxPartitions(1)). // degree: 3 keys of one partition
		SkipOnError().                                    // failure: skip
		CommitEvery(100, time.Second)                     // below the work: at least once
}

// handler handles records and notes which and when.
type handler struct {
	rec   demo.Recorder
	start demo.Meeting
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if err := h.start.Await(ctx, 3); err != nil {
		return err
	}
	if m.Offset%10 > 0 {
		return nil
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { partitionLimit.Main() }

const (
	partitions = 4
	traced     = 400 // records in one trace; each of the others has its own
)

var partitionLimit = demo.Program{Name: "partition-limit", Partitions: partitions, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records := demo.Numbered(10_000, 100)
	if _, err := d.SeedInOneTrace(ctx, records[:traced]...); err != nil {
		return err
	}
	if _, err := d.Seed(ctx, records[traced:]...); err != nil {
		return err
	}
	h := new(handler)
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	rec := &h.rec
	outOfOrder := rec.OutOfOrder(demo.ByKey)
	turns := rec.Turns(demo.ByPartition)
	d.Say("\n  turn  partition  records")
	for i, t := range turns {
		d.Say("  %4d  %9s  %7d", i+1, t.Lane, t.Records)
	}
	d.Check("handled", rec.Handled() == len(records) && rec.Twice() == 0, "%d of %d records", rec.Handled(), len(records))
	d.Check("one partition", rec.Peak(demo.ByPartition) == 1, "never more than %d at a time", rec.Peak(demo.ByPartition))
	d.Check("three workers", rec.Peak(demo.ByPlace) == 3, "never more than %d records at a time", rec.Peak(demo.ByPlace))
	d.Check("in order", len(outOfOrder) == 0, "each of 100 keys' records one after another, but for %d", len(outOfOrder))
	d.Check("in turn", inTurn(turns), "each partition had its turn before any finished, in %d turns", len(turns))
	return d.CheckCommitted(ctx)
}

// inTurn reports whether every partition had a turn before any had its last.
func inTurn(turns []demo.Turn) bool {
	first, last := map[string]int{}, map[string]int{}
	for i, t := range turns {
		if _, ok := first[t.Lane]; !ok {
			first[t.Lane] = i
		}
		last[t.Lane] = i
	}
	for _, began := range first {
		for _, through := range last {
			if began > through {
				return false
			}
		}
	}
	return len(first) == partitions
}
