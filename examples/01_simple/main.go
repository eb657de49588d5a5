// Simple handles records one by one and commits them in batches; those that fail are logged and
// passed.
//
//	GOTOOLCHAIN=auto go run ./examples/01_simple
//
// Order: each partition's. Speed: one record at a time, so as fast as the handler alone. Guarantee:
// at least once; after a crash, up to 100 records or a second's worth are handled again. A failure:
// one line in the log, and the record counts as done. Use it where records are few, the handler is
// fast, and losing one that fails is fine.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Serial(c.handle).                   // one at a time
		SkipOnError(stream.OnMatch(c.log)). // failure: log it, and go on
		CommitEvery(100, time.Second)       // below the work: at least once
}

// clerk handles records, and remembers which.
type clerk struct {
	*demo.Demo
	tape   demo.Tape
	logged int // by one record at a time
}

var errSmudged = errors.New("it cannot be read")

func (c *clerk) handle(_ context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if m.Offset%100 == 42 {
		return errSmudged
	}
	return nil
}

func (c *clerk) log(_ context.Context, f stream.Failure) {
	c.Say("  skipped  %v", f)
	c.logged++
}

func main() { simple.Main() }

var simple = demo.Program{Name: "simple", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(1000, 0)...)
	if err != nil {
		return err
	}
	c := &clerk{Demo: d}
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	tape := &c.tape
	d.Check("handled", tape.Handled()+tape.Failed() == len(records) && tape.Twice() == 0, "%d of %d records; %d failed", tape.Handled(), len(records), tape.Failed())
	d.Check("one by one", tape.Peak(demo.ByPlace) == 1, "%d at a time", tape.Peak(demo.ByPlace))
	d.Check("in order", len(tape.OutOfOrder(demo.ByPartition)) == 0, "each partition's records as they lie in it, but for %d", len(tape.OutOfOrder(demo.ByPartition)))
	d.Check("skipped", c.logged > 0 && c.logged == tape.Failed(), "the log has a line for each of the %d that failed", c.logged)
	return d.CheckCommitted(ctx)
}
