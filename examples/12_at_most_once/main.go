// At_most_once commits records before they are handled. No record is handled twice, and a crash
// loses records that were committed but not handled.
//
//	GOTOOLCHAIN=auto go run ./examples/12_at_most_once
//
// The program starts itself again as a worker process, kills it (kill -9) in the middle of its
// work, and starts another one.
//
// Order: each partition's. Speed: one record of each partition at a time. Guarantee: at most once;
// MaxInFlight bounds the loss of a crash, and a drain that ends in time loses nothing. A failure:
// skipped, since the record cannot be read again. Use it if twice is worse than never: a
// notification, a telemetry sample.
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
		// degree: one at a time in each, after the broker's acknowledgement
		Serial(handle).
		SkipOnError() // failure: skip
}

// maxInFlight bounds the records of a partition in flight, and so those that a crash loses.
const maxInFlight = 20

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// the next process with this name takes over at once, even after a crash
	d.Kafka.InstanceID = "worker-1"
	h := &handler{Demo: d}
	p, err := worker(d.Kafka, h.handle).Build(stream.MaxInFlight(maxInFlight), stream.Observe(stream.Observer{Event: d.Hear}), d.Telemetry())
	if err != nil {
		return err
	}
	return stream.Supervise(p).Run(ctx)
}

// handler prints each record before it handles it. In the worker to be killed it gets stuck in the
// middle.
type handler struct {
	*demo.Demo
	started atomic.Int64
}

func (h *handler) handle(ctx context.Context, m kafka.Message) error {
	h.Note("handles %d %d", m.Partition, m.Offset)
	if h.started.Add(1) > killAt && slices.Contains(h.Args, "stuck") {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return demo.Pause(ctx, time.Millisecond)
}

func main() { atMostOnce.Main() }
