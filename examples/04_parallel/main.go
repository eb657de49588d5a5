// Parallel handles up to a hundred records at a time, in no order, and still never commits past one
// that is unfinished.
//
//	GOTOOLCHAIN=auto go run ./examples/04_parallel
//
// Order: none. Speed: 100 records at a time, whatever their partition. Guarantee: at least once;
// what was finished above an unfinished record is handled again after a crash. A failure: skipped.
// Use it where records have nothing to do with each other: sending mails, resizing pictures.
package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Concurrent(atATime, c.handle).         // degree: so many at a time; order: none
		SkipOnError().                         // failure: skip
		CommitEvery(100, 100*time.Millisecond) // below the work: at least once
}

const (
	atATime    = 100
	partitions = 3
	records    = 3000
	slowOffset = 7 // of partition 0
)

// clerk handles records. One of them takes until all the others are through.
type clerk struct {
	*demo.Demo
	tape      demo.Tape
	start     demo.Meeting
	left      atomic.Int64  // records, but for the slow one
	others    chan struct{} // closed when they are through
	committed int64         // of the slow one's partition, when it was the last
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if err := c.start.Await(ctx, atATime); err != nil {
		return err
	}
	if m.Partition == 0 && m.Offset == slowOffset && !c.Forever {
		return c.slow(ctx)
	}
	err = demo.Pause(ctx, time.Millisecond)
	if c.left.Add(-1) == 0 {
		close(c.others)
	}
	return err
}

// slow outlasts all other records and asks the broker how far the commits have come meanwhile.
func (c *clerk) slow(ctx context.Context) error {
	select {
	case <-c.others:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.AwaitOffsets(ctx, func(committed, ends map[int]int64) bool {
		c.committed = committed[0]
		for n := 1; n < partitions; n++ {
			if committed[n] < ends[n] {
				return false
			}
		}
		return true
	})
}

func main() { parallel.Main() }

var parallel = demo.Program{Name: "parallel", Partitions: partitions, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, 0)...); err != nil {
		return err
	}
	c := &clerk{Demo: d, others: make(chan struct{})}
	c.left.Store(records - 1)
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	tape := &c.tape
	d.Check("handled", tape.Handled() == records && tape.Twice() == 0, "%d of %d records", tape.Handled(), records)
	d.Check("at a time", tape.Peak(demo.ByPlace) == atATime, "%d records", tape.Peak(demo.ByPlace))
	d.Check("no gap", c.committed <= slowOffset, "with offset %d unfinished and all %d others through, the broker had %d committed for that partition", slowOffset, records-1, c.committed)
	return d.CheckCommitted(ctx)
}
