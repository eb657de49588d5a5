// At_most_once commits records before they are handled: none is ever handled twice, and a crash
// loses those that were committed and not yet handled.
//
//	GOTOOLCHAIN=auto go run ./examples/12_at_most_once
//
// The program starts itself again as a worker process, kills it (kill -9) in the middle, and starts
// another one.
//
// Order: each partition's. Speed: a record of each partition at a time. Guarantee: at most once;
// MaxInFlight bounds what a crash loses, a shutdown that drains in time loses nothing. A failure:
// skipped, since it cannot be read again anyway. Use it where twice is worse than not at all: a
// notification, a sample of telemetry.
package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, handle func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		CommitBefore(20, 100*time.Millisecond). // before the work: at most once
		GroupByPartition().                     // order: each partition's
		// degree: one at a time in each; it begins after the broker's acknowledgement
		Serial(handle).
		SkipOnError() // failure: skip
}

// maxInFlight is how many records of a partition are under way at most, and so how many of it a
// crash loses at most.
const maxInFlight = 20

// work is the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// whoever starts next with this name takes over at once, also after a crash
	d.Kafka.InstanceID = "worker-1"
	c := &clerk{Demo: d}
	p, err := worker(d.Kafka, c.handle).Build(stream.MaxInFlight(maxInFlight), stream.Observe(stream.Observer{Event: d.Hear}), d.Seen())
	if err != nil {
		return err
	}
	return stream.Supervise(p).Run(ctx)
}

// clerk tells which records it handles, before it does. The one that is to be killed gets stuck in
// the middle.
type clerk struct {
	*demo.Demo
	begun atomic.Int64
}

func (c *clerk) handle(ctx context.Context, m kafka.Message) error {
	c.Note("handles %d %d", m.Partition, m.Offset)
	if c.begun.Add(1) > killAt && slices.Contains(c.Args, "stuck") {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { atMostOnce.Main() }
