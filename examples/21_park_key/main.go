// Park_key parks the key of a record that cannot be handled. Later records of that key wait behind
// it, in order. All other keys continue at full speed, in the same partition too. The park lasts
// until an operator fixes the cause and calls Resume, or gives up the record with Skip.
//
//	GOTOOLCHAIN=auto go run ./examples/21_park_key
//
// Order: each key's. Speed: 16 keys at a time. Guarantee: at least once. The offset stands before
// the parked record, and the resume state stored with it lists what the other keys have finished.
// A failure: its key waits. Use it if records of a key need their order, and a record of one
// customer must not stop the others.
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, handle func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().                         // order: each key's
		Concurrent(16, handle).               // degree: 16 keys at a time
		ParkOnError().                        // failure: park that key, the others continue
		CommitEvery(100, 50*time.Millisecond) // below the work: at least once
}

// resume does what an operator would do through an endpoint of yours, after the cause is fixed.
func resume(ctx context.Context, d *demo.Demo, p *stream.Pipeline) error {
	for _, h := range p.Halts() {
		d.Say("operator %v", h)
		if err := p.Resume(h); err != nil {
			return err
		}
		if err := p.WaitResumed(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func main() { parkKey.Main() }
