// Dead_letter writes failed records to a topic of dead letters, and sends them back after the cause
// was fixed.
//
//	GOTOOLCHAIN=auto go run ./examples/19_dead_letter
//
// Order: each key's, except for failed records, which come back later. Speed: 16 keys at a time.
// Guarantee: at least once; a record is done when its letter is in Kafka, and a letter when its
// record is back. A failure: three attempts, then a letter with the unchanged record and what
// happened. Use it if a bad record must not stop the others and must not be lost. From a terminal,
// `laneway redrive` sends records back.
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

func worker(from source.KafkaConfig, h *handler, letters sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(16, h.handle).
		// failure: retry, then …
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3, FirstWait: 5 * time.Millisecond, MaxWait: 20 * time.Millisecond}).
		// … write a letter
		DeadLetterOnError(sink.DeadLetter(letters, sink.DeadLetterGroup(from.Group))).
		CommitEvery(100, 200*time.Millisecond)
}

// redrive sends records back.
func redrive(letters source.KafkaConfig, only func(kafka.Message, ops.Letter) bool) stream.Stream[kafka.Message] {
	return source.Kafka(letters).
		GroupByKey().
		// restores the records and their topic
		Via(ops.Redrive(ops.RedriveConfig{Match: only})).
		To(sink.Kafka(sink.KafkaConfig{Brokers: letters.Brokers})). // done when written
		CommitEvery(100, 200*time.Millisecond)
}

// handler fails on records for the bank while it is closed, and always on smudged ones.
type handler struct {
	rec  demo.Recorder
	open atomic.Bool
}

var (
	errClosed  = errors.New("the bank is closed")
	errSmudged = stream.Permanent(errors.New("it cannot be read"))
)

func (h *handler) handle(_ context.Context, m kafka.Message) (err error) {
	defer h.rec.Record(m)(&err)
	switch {
	case smudged(m):
		return errSmudged
	case forBank(m) && !h.open.Load():
		return errClosed
	}
	return nil
}

func main() { deadLetter.Main() }
