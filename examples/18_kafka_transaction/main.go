// Kafka_transaction turns each record into another and writes it to another topic, exactly once.
//
//	GOTOOLCHAIN=auto go run ./examples/18_kafka_transaction
//
// The program starts itself again as a worker process, kills it (kill -9) in the middle of its work
// several times, and starts another one each time.
//
// Order: each key's, also in the other topic. Speed: 16 keys at a time, up to 50 results in a
// transaction. Guarantee: exactly once, for readers with isolation.level=read_committed: results
// and offsets are in one transaction. Other effects of the steps are at least once. A failure:
// three attempts, then its partition waits. Use it if a duplicate in the other topic would be an
// error: money, counts.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, to sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		// order: each key's
		GroupByKey().
		// degree: 16 keys at a time
		MapConcurrent(16, invoice).
		CommitWith(sink.KafkaTransaction(to, "billing"), 50, 50*time.Millisecond). // exactly once
		// failure of a transaction: retry, then …
		RetryOnError(stream.RetryPolicy{}).
		// … halt the partitions at fault
		HaltOnError()
}

func invoice(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	if err := demo.Pause(ctx, 5*time.Millisecond); err != nil {
		return m, err
	}
	return kafka.Message{Key: m.Key, Value: fmt.Appendf(nil, "%d %d", m.Partition, m.Offset)}, nil
}

// work runs in the worker process.
func work(ctx context.Context, d *demo.Demo) error {
	// The next process with this name takes over at once, even after a crash: the partitions, and a
	// transaction left open.
	d.Kafka.InstanceID = "worker-1"
	to := sink.KafkaConfig{Brokers: d.Kafka.Brokers, Topic: d.Args[0], InstanceID: d.Kafka.InstanceID}
	p, err := worker(d.Kafka, to).Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if c, ok := e.(stream.Committed); ok {
			d.Note("committed %d", len(c.Offsets))
		}
	}}))
	if err != nil {
		return err
	}
	return stream.Supervise(p).Run(ctx)
}

func main() { kafkaTransaction.Main() }
