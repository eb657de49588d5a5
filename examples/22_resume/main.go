// Resume handles no record again that is finished, although others wait for a retry below it. Each
// commit stores which records above the offset are finished, and the next worker leaves them out.
//
//	GOTOOLCHAIN=auto go run ./examples/22_resume
//
// The program starts itself again as a worker process, in which the records of some keys fail and
// wait. It ends that process at a random moment, starts another, and so on: SIGTERM, kill -9,
// SIGTERM, kill -9. The last worker finishes what waited.
//
// Order: each key's. Speed: 16 keys at a time. Guarantee: at least once. A drain repeats nothing,
// whatever waits. A crash repeats at most what was running and what had finished since the last
// commit. A failure: its key waits for the retry, the others continue. Use it if a handler is
// expensive to repeat and some records take long.
package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

const (
	keysAtATime = 16
	commitWait  = 50 * time.Millisecond
)

func worker(from source.KafkaConfig, handle func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().                    // order: each key's
		Concurrent(keysAtATime, handle). // degree: 16 keys at a time
		// failure: its key waits, for longer than this worker runs
		RetryOnError(stream.RetryPolicy{Unlimited: true, Wait: func(stream.Failure) time.Duration { return time.Minute }}).
		CommitEvery(1000, commitWait) // below the work: at least once
}

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// the next process with this name takes over at once, even after a crash
	d.Kafka.InstanceID = "worker-1"
	h := &handler{d}
	p, err := worker(d.Kafka, h.handle).Build(stream.Observe(stream.Observer{Event: h.hear}), d.Telemetry())
	if err != nil {
		return err
	}
	return stream.Supervise(p).Run(ctx)
}

var errAway = errors.New("the bank of this customer is away")

// handler tells when it starts and finishes a record. In the workers that are to end, some keys
// fail.
type handler struct{ *demo.Demo }

func (h *handler) handle(ctx context.Context, m kafka.Message) error {
	h.Note("starts %d %d", m.Partition, m.Offset)
	if err := demo.Pause(ctx, 4*time.Millisecond); err != nil {
		return err
	}
	if waits(m) && slices.Contains(h.Args, "away") {
		return errAway
	}
	h.Note("finishes %d %d", m.Partition, m.Offset)
	return nil
}

func (h *handler) hear(e stream.Event) {
	switch e := e.(type) {
	case stream.Retrying:
		h.Note("waits %d %d", e.Meta.Partition, e.Meta.Offset)
	case stream.Committed:
		h.Note("commits")
	case stream.Draining:
		h.Hear(e)
	}
}

// waits reports whether a record has one of the keys that fail: one in ten.
func waits(m kafka.Message) bool { return m.Key[len(m.Key)-1] == '7' }

func main() { resume.Main() }
