// Testing is an ordinary worker. Its point is main_test.go, which tests it without a broker and
// without waiting: order, retries, halts, rebalances, crashes.
//
//	GOTOOLCHAIN=auto go run ./examples/16_testing
//	GOTOOLCHAIN=auto go test -v ./examples/16_testing
//
// Order: each key's. Speed: 8 keys at a time. Guarantee: at least once. A failure: three attempts,
// a minute apart; then its partition waits. Use it as a start for your own tests: the chain is a
// function, so a test can run it unchanged, on an in-memory log and with another handler.
package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, charge func(context.Context, Order) error) stream.Stream[Order] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		Concurrent(8, charge).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3, Wait: func(stream.Failure) time.Duration { return time.Minute }}).
		HaltOnError().
		CommitEvery(100, time.Second)
}

// Order is the value of a record.
type Order struct {
	ID    int `json:"id"`
	Cents int `json:"cents"`
}

func main() { program.Main() }

var program = demo.Program{Name: "charges", Partitions: 2, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records := demo.Numbered(100, 10)
	for i := range records {
		records[i].Value = []byte(`{"id": 1, "cents": 250}`)
	}
	if _, err := d.Seed(ctx, records...); err != nil {
		return err
	}
	var rec demo.Recorder
	charge := func(ctx context.Context, o Order) (err error) {
		m, _ := stream.MetaOf(ctx)
		defer rec.Record(kafka.Message{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key})(&err)
		return nil
	}
	if err := d.Run(ctx, worker(d.Kafka, charge)); err != nil {
		return err
	}
	d.Check("charged", rec.Handled() == 100, "%d of 100 orders; the point of this example is its test: go test -v ./examples/16_testing", rec.Handled())
	return d.CheckCommitted(ctx)
}
