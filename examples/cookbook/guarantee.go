package cookbook

import (
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// AtMostOnce commits before it begins: a crash loses, and never repeats.
func AtMostOnce(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		CommitBefore(100, 100*time.Millisecond).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		SkipOnError() // there is no record left to halt at
}

// InDatabase stores each receipt exactly once.
func InDatabase(from source.KafkaConfig, charge Charge, db *sql.DB) stream.Stream[Receipt] {
	book := func(ctx context.Context, tx *sql.Tx, receipts []Receipt) error {
		for _, r := range receipts {
			if _, err := tx.ExecContext(ctx, `INSERT INTO receipts VALUES ($1)`, r.Order); err != nil {
				return err
			}
		}
		return nil
	}
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		CommitWith(sink.SQL(db, book, sink.CreateTable()), 500, 100*time.Millisecond).
		RetryOnError(stream.RetryPolicy{}).
		HaltOnError()
}

// InKafka writes each receipt exactly once to another topic.
func InKafka(from source.KafkaConfig, charge Charge, to sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		Map(Encode).
		CommitWith(sink.KafkaTransaction(to, "billing"), 500, 100*time.Millisecond).
		RetryOnError(stream.RetryPolicy{})
}

// Encode makes a record of a receipt.
func Encode(_ context.Context, r Receipt) (kafka.Message, error) {
	value, err := json.Marshal(r)
	return kafka.Message{Key: []byte(r.Order), Value: value}, err
}

// Published is done with an order once its receipt is in Kafka.
func Published(from source.KafkaConfig, charge Charge, to sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		Map(Encode).
		To(sink.Kafka(to)).
		RetryOnError(stream.RetryPolicy{}). // keeps the order
		CommitEvery(1000, time.Second)
}

// FanOut writes several records for one, each to a topic of its own.
func FanOut(from source.KafkaConfig, to sink.KafkaConfig, topics ...string) stream.Stream[kafka.Message] {
	copies := func(_ context.Context, m kafka.Message) (iter.Seq[kafka.Message], error) {
		return func(yield func(kafka.Message) bool) {
			for _, m.Topic = range topics {
				if !yield(m) {
					return
				}
			}
		}, nil
	}
	return source.Kafka(from).
		GroupByKey().
		FlatMap(copies).
		To(sink.Kafka(to)). // to.Topic is empty: each record names its own
		CommitEvery(1000, time.Second)
}

// Lettered keeps failed records in a topic, from where laneway redrive sends them back.
func Lettered(from source.KafkaConfig, charge Charge, to sink.KafkaConfig) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).
		DeadLetterOnError(sink.DeadLetter(to)). // to.Topic is empty: <topic>.dlq
		HaltOnError().                          // where not even that can be written
		CommitEvery(1000, time.Second)
}

// Replay handles a partition of the last day again, through the chain of a worker that runs on.
func Replay(ctx context.Context, worker stream.Stream[kafka.Message], brokers []string, at stream.TopicPartition, now time.Time) error {
	day := source.Span{From: source.At(now.Add(-24 * time.Hour)), To: source.Latest}
	return worker.Run(ctx, source.Replay(source.KafkaConfig{
		Brokers:    brokers,
		Partitions: map[stream.TopicPartition]source.Span{at: day},
	}))
}
