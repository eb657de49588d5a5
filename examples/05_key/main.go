// Key handles the records of each key in order, and up to 64 keys side by side. A slow key delays
// only itself.
//
//	GOTOOLCHAIN=auto go run ./examples/05_key
//
// Order: each key's, within its partition. Speed: 64 keys at a time, however few the partitions.
// Guarantee: at least once. A failure: skipped. Use it by default: records of one key (a customer,
// an order, a device) usually need their order, those of different keys do not.
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

func worker(from source.KafkaConfig, h *handler) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().                 // order: each key's
		Concurrent(64, h.handle).     // degree: 64 keys at a time
		SkipOnError().                // failure: skip
		CommitEvery(100, time.Second) // below the work: at least once
}

const (
	keys    = 50
	records = 2500
	slowKey = "key-07"
)

// handler handles records, each in its own time. The first record of one key lasts until all other
// keys are finished.
type handler struct {
	*demo.Demo
	rec    demo.Recorder
	left   atomic.Int64  // unfinished records of the other keys
	others chan struct{} // closed once they are finished
	held   atomic.Bool   // the first record of the slow key outlasted them
}

func (h *handler) handle(ctx context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	if string(m.Key) != slowKey {
		err = demo.Pause(ctx, rand.N(3*time.Millisecond))
		if h.left.Add(-1) == 0 {
			close(h.others)
		}
		return err
	}
	if h.Forever {
		return demo.Pause(ctx, 10*time.Millisecond)
	}
	select {
	case <-h.others:
		h.held.Store(true)
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
	h := &handler{Demo: d, others: make(chan struct{})}
	h.left.Store(records - records/keys)
	if err := d.Run(ctx, worker(d.Kafka, h)); err != nil {
		return err
	}
	rec := &h.rec
	outOfOrder := rec.OutOfOrder(demo.ByKey)
	d.Check("handled", rec.Handled() == records && rec.Twice() == 0, "%d of %d records", rec.Handled(), records)
	d.Check("in order", len(outOfOrder) == 0, "each of %d keys' records one after another, but for %d", keys, len(outOfOrder))
	d.Check("side by side", rec.Peak(demo.ByKey) > 3, "%d keys at a time, of 3 partitions", rec.Peak(demo.ByKey))
	d.Check("slow key", h.held.Load(), "the %d records of the other keys finished while %s delayed only itself", records-records/keys, slowKey)
	return d.CheckCommitted(ctx)
}
