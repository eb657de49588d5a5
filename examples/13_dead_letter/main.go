// Dead_letter retries a failed record with growing waits, and then writes it to a file of dead
// letters. Records of other keys do not wait for it.
//
//	GOTOOLCHAIN=auto go run ./examples/13_dead_letter
//
// Order: each key's; a record waiting for its retry holds its key, but no worker. Speed: 16 keys at
// a time. Guarantee: at least once; a record is done when its letter is on disk. A failure: four
// attempts, then a letter. Use it if a bad record must not stop the others and must not be lost,
// and someone reads the letters.
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, h *handler, letters stream.Sink[stream.Failure]) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(16, h.handle).
		// failure: retry, then …
		RetryOnError(stream.RetryPolicy{MaxAttempts: 4, FirstWait: 10 * time.Millisecond, MaxWait: 200 * time.Millisecond}).
		// … write it to the dead letters
		DeadLetterOnError(letters).
		CommitEvery(100, time.Second)
}

func main() { deadLetter.Main() }

var deadLetter = demo.Program{Name: "dead-letter", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(600, 30)...)
	if err != nil {
		return err
	}
	letters, err := newLetterFile()
	if err != nil {
		return err
	}
	defer letters.remove()
	h := newHandler()
	if err := d.Run(ctx, worker(d.Kafka, h, letters)); err != nil {
		return err
	}
	return h.check(ctx, d, records, letters)
}
