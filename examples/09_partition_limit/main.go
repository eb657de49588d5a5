// Partition_limit works on one partition at a time, with three workers by key in it, and on the
// partitions in turn.
//
//	GOTOOLCHAIN=auto go run ./examples/09_partition_limit
//
// With OTEL_EXPORTER_OTLP_ENDPOINT set, Jaeger shows the first records as one trace: three at a
// time, one partition behind the other.
//
// Order: each key's, within its partition. Speed: 3 keys of one partition at a time; a partition
// keeps its turn until it has nothing ready, or for 1,000 records while others wait. Guarantee: at
// least once. A failure: skipped. Use it where switching partitions is dear: each has a cache to be
// warm, a file to be open, a lock to be held.
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
		GroupByKey().                                     // order: each key's
		Concurrent(3, c.handle, stream.MaxPartitions(1)). // degree: 3 keys of one partition
		SkipOnError().                                    // failure: skip
		CommitEvery(100, time.Second)                     // below the work: at least once
}

// clerk handles records, and remembers which and when.
type clerk struct {
	tape  demo.Tape
	start demo.Meeting
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if err := c.start.Await(ctx, 3); err != nil {
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
	traced     = 400 // records in one trace; each of the others has one of its own
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
	c := new(clerk)
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	tape := &c.tape
	outOfOrder := tape.OutOfOrder(demo.ByKey)
	turns := tape.Turns(demo.ByPartition)
	d.Say("\n  turn  partition  records")
	for i, t := range turns {
		d.Say("  %4d  %9s  %7d", i+1, t.Lane, t.Records)
	}
	d.Check("handled", tape.Handled() == len(records) && tape.Twice() == 0, "%d of %d records", tape.Handled(), len(records))
	d.Check("one partition", tape.Peak(demo.ByPartition) == 1, "never more than %d at a time", tape.Peak(demo.ByPartition))
	d.Check("three workers", tape.Peak(demo.ByPlace) == 3, "never more than %d records at a time", tape.Peak(demo.ByPlace))
	d.Check("in order", len(outOfOrder) == 0, "each of 100 keys' records one after another, but for %d", len(outOfOrder))
	d.Check("in turn", inTurn(turns), "each partition had its turn before any was through, in %d turns", len(turns))
	return d.CheckCommitted(ctx)
}

// inTurn reports whether every partition had a turn before the last of any other began.
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
