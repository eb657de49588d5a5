package readme

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Book stores receipts exactly once, in a database.
func Book(ctx context.Context, orders stream.Stream[Order], db *sql.DB) error {
	book := func(ctx context.Context, tx *sql.Tx, receipts []Receipt) error {
		for _, r := range receipts {
			if _, err := tx.ExecContext(ctx, `INSERT INTO receipts VALUES ($1)`, r.Order); err != nil {
				return err
			}
		}
		return nil
	}
	return orders.
		GroupByKey().
		MapConcurrent(64, charge).
		CommitWith(sink.SQL(db, book, sink.CreateTable()), 500, 100*time.Millisecond). // receipts and offsets in one transaction
		RetryOnError(stream.RetryPolicy{}).
		Run(ctx)
}

func encode(_ context.Context, r Receipt) (kafka.Message, error) {
	value, err := json.Marshal(r)
	return kafka.Message{Key: []byte(r.Order), Value: value}, err
}

// Publish writes receipts back to Kafka, at least once.
func Publish(receipts stream.Stream[Receipt], brokers []string) stream.Stream[kafka.Message] {
	return receipts.
		Map(encode).
		To(sink.Kafka(sink.KafkaConfig{Brokers: brokers, Topic: "receipts"})). // done when all replicas in sync have it
		CommitEvery(1000, time.Second)
}

// Letters writes failed records to orders.dlq.
func Letters(from source.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(64, handle).
		RetryOnError(stream.RetryPolicy{}).
		DeadLetterOnError(sink.DeadLetter(sink.KafkaConfig{Brokers: from.Brokers})).
		HaltOnError(). // where not even that can be written
		CommitEvery(1000, time.Second)
}
