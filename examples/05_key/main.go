// Key handles the records of a key one after another, and up to 64 keys side by side; a slow key
// holds only itself.
//
//	GOTOOLCHAIN=auto go run ./examples/05_key
//
// Order: each key's, within its partition. Speed: 64 keys at a time, however few partitions there
// are. Guarantee: at least once. A failure: skipped. Use it by default: most records of a key (a
// customer, an order, a device) must not overtake each other, and those of different keys may.
package main

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().                 // order: each key's
		Concurrent(64, c.handle).     // degree: 64 keys at a time
		SkipOnError().                // failure: skip
		CommitEvery(100, time.Second) // below the work: at least once
}

const (
	keys    = 50
	records = 2500
	slowKey = "key-07"
)

// clerk handles records, each in a time of its own. The first of one key takes until all other keys
// are through.
type clerk struct {
	*demo.Demo
	tape   demo.Tape
	left   atomic.Int64  // records of the other keys
	others chan struct{} // closed when they are through
	held   atomic.Bool   // the slow key's first record was still in work then
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	if string(m.Key) != slowKey {
		err = demo.Pause(ctx, rand.N(3*time.Millisecond))
		if c.left.Add(-1) == 0 {
			close(c.others)
		}
		return err
	}
	if c.Forever {
		return demo.Pause(ctx, 10*time.Millisecond)
	}
	select {
	case <-c.others:
		c.held.Store(true)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func main() { key.Main() }

var key = demo.Program{Name: "key", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	if _, err := d.Seed(ctx, demo.Numbered(records, keys)...); err != nil {
		return err
	}
	c := &clerk{Demo: d, others: make(chan struct{})}
	c.left.Store(records - records/keys)
	if err := d.Run(ctx, worker(d.Kafka, c)); err != nil {
		return err
	}
	tape := &c.tape
	outOfOrder := tape.OutOfOrder(demo.ByKey)
	d.Check("handled", tape.Handled() == records && tape.Twice() == 0, "%d of %d records", tape.Handled(), records)
	d.Check("in order", len(outOfOrder) == 0, "each of %d keys' records one after another, but for %d", keys, len(outOfOrder))
	d.Check("side by side", tape.Peak(demo.ByKey) > 3, "%d keys at a time, of 3 partitions", tape.Peak(demo.ByKey))
	d.Check("slow key", c.held.Load(), "the %d records of the other keys went through while %s held itself up", records-records/keys, slowKey)
	return d.CheckCommitted(ctx)
}
