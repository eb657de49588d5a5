// Limited handles at most two records at a time, whatever there is to do.
//
//	GOTOOLCHAIN=auto go run ./examples/08_limited
//
// With OTEL_EXPORTER_OTLP_ENDPOINT set, Jaeger shows all records as one trace, and that never more
// than two of them ran side by side.
//
// Order: none. Speed: 2 records at a time. Guarantee: at least once. A failure: skipped. Use it
// where what the handler calls bears no more: a small database, a paid API. Where it is a rate that
// must not be passed, say Throttle; where several steps share one limit, give each
// stream.Use(ops.Limit(2)).
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
		Concurrent(2, c.handle).      // degree: 2 at a time; order: none
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
	if err := c.start.Await(ctx, 2); err != nil {
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
	c := new(clerk)
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	d.Check("handled", c.tape.Handled() == len(records) && c.tape.Twice() == 0, "%d of %d records of 4 partitions and 100 keys", c.tape.Handled(), len(records))
	d.Check("limited", c.tape.Peak(demo.ByPlace) == 2, "never more than %d at a time", c.tape.Peak(demo.ByPlace))
	return d.CheckCommitted(ctx)
}
