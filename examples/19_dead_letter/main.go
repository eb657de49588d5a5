// Dead_letter writes what fails to a topic of dead letters, and after the cause is mended sends it
// back to where it came from.
//
//	GOTOOLCHAIN=auto go run ./examples/19_dead_letter
//
// Order: each key's, but for what failed: it comes back later. Speed: 16 keys at a time. Guarantee:
// at least once; a record counts as done when its letter is in Kafka, and a letter when it is back.
// A failure: three attempts, then a letter that says what happened, with the record as it came. Use
// it where a bad record must stop nobody and must not be lost. From a terminal the way back is
// `laneway redrive`.
package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, c *clerk, letters sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(16, c.handle).
		// failure: try again, then …
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3, FirstWait: 5 * time.Millisecond, MaxWait: 20 * time.Millisecond}).
		// … write a letter
		DeadLetterOnError(sink.DeadLetter(letters, sink.DeadLetterGroup(from.Group))).
		CommitEvery(100, 200*time.Millisecond)
}

// redrive is the way back.
func redrive(letters source.KafkaConfig, only func(kafka.Message, ops.Letter) bool) stream.Stream[kafka.Message] {
	return source.Kafka(letters).
		GroupByKey().
		// the records that they were, to where they came from
		Via(ops.Redrive(ops.RedriveConfig{Match: only})).
		To(sink.Kafka(sink.KafkaConfig{Brokers: letters.Brokers})). // done when they are there
		CommitEvery(100, 200*time.Millisecond)
}

// clerk cannot handle what is for the bank while the bank is closed, nor ever what is smudged.
type clerk struct {
	tape demo.Tape
	open atomic.Bool
}

var (
	errClosed  = errors.New("the bank is closed")
	errSmudged = stream.Permanent(errors.New("it cannot be read"))
)

func (c *clerk) handle(_ context.Context, m kafka.Message) (err error) {
	defer c.tape.Take(m)(&err)
	switch {
	case smudged(m):
		return errSmudged
	case forBank(m) && !c.open.Load():
		return errClosed
	}
	return nil
}

func main() { deadLetter.Main() }
