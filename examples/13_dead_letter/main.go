// Dead_letter tries a failed record again, with growing waits, and then writes it to a file of dead
// letters; the records of other keys do not wait for it.
//
//	GOTOOLCHAIN=auto go run ./examples/13_dead_letter
//
// Order: each key's; a record that is being retried holds its key, and no worker. Speed: 16 keys at
// a time. Guarantee: at least once; a record is done when its letter is on disk. A failure: four
// attempts, then a letter. Use it where a bad record must stop nobody and must not be lost:
// somebody reads the letters.
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk, letters stream.Sink[stream.Failure]) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(16, c.handle).
		// failure: try again, then …
		RetryOnError(stream.RetryPolicy{MaxAttempts: 4, FirstWait: 10 * time.Millisecond, MaxWait: 200 * time.Millisecond}).
		// … keep it aside
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
	c := newClerk()
	if err := d.Run(ctx, worker(d.Kafka, c, letters)); err != nil {
		return err
	}
	return c.check(ctx, d, records, letters)
}
