// Fan_out turns each record into several, for several topics.
//
//	GOTOOLCHAIN=auto go run ./examples/20_fan_out
//
// Order: each key's, in each topic. Speed: 16 keys at a time; one producer writes to all topics,
// and a request to a broker has batches for several. Guarantee: at least once; an order is done,
// and committed, when all its results are in Kafka. A failure to write: retried, in order. Use it
// to split an event into the parts that its readers want.
package main

import (
	"context"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, t topics) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().
		Concurrent(16, inspect).
		// 1 → 1..3 messages, each of which names its topic
		FlatMap(t.split).
		// no Topic: each message names its own
		To(sink.Kafka(sink.KafkaConfig{Brokers: from.Brokers, Linger: 2 * time.Millisecond})).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 5, FirstWait: 100 * time.Millisecond, MaxWait: time.Second}).
		CommitEvery(100, 200*time.Millisecond)
}

// topics are the topics of an order's results.
type topics struct{ parcels, invoices, alarms string }

// split turns each order into a parcel and an invoice, and some into an alarm.
func (t topics) split(_ context.Context, m kafka.Message) (iter.Seq[kafka.Message], error) {
	return func(yield func(kafka.Message) bool) {
		for _, topic := range []string{t.parcels, t.invoices, t.alarms} {
			if topic == t.alarms && m.Offset%10 != 0 {
				continue
			}
			if m.Topic = topic; !yield(m) {
				return
			}
		}
	}, nil
}

func inspect(ctx context.Context, _ kafka.Message) error { return demo.Pause(ctx, time.Millisecond) }

func main() { fanOut.Main() }

var fanOut = demo.Program{Name: "orders", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(1000, 40)...)
	if err != nil {
		return err
	}
	var t topics
	for name, topic := range map[string]*string{"parcels": &t.parcels, "invoices": &t.invoices, "alarms": &t.alarms} {
		if *topic, err = d.NewTopic(ctx, name, 4); err != nil {
			return err
		}
	}
	if err := d.Run(ctx, worker(d.Kafka, t)); err != nil {
		return err
	}
	alarms := 0
	for _, m := range records {
		if m.Offset%10 == 0 {
			alarms++
		}
	}
	for topic, want := range map[string]int{t.parcels: len(records), t.invoices: len(records), t.alarms: alarms} {
		made, err := d.ReadBack(ctx, topic)
		if err != nil {
			return err
		}
		// without the suffix of this run
		d.Check(topic[:len(topic)-7], len(made) == want, "%d of %d written", len(made), want)
	}
	return d.CheckCommitted(ctx)
}
