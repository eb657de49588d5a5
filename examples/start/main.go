// Start is the worker of docs/getting-started.md.
package main

import (
	"context"
	"log"
	"os"
	"strings"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Order is the value of a record.
type Order struct {
	ID    string
	Cents int64
}

// charge is where your work goes. An error is a failure of this order.
func charge(ctx context.Context, o Order) error {
	log.Printf("charged order %s: %d cents", o.ID, o.Cents)
	return nil
}

// worker charges the orders of each key one after another, 16 keys at a time.
func worker(from source.KafkaConfig, charge func(context.Context, Order) error) stream.Stream[Order] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		Concurrent(16, charge).
		RetryOnError(stream.RetryPolicy{}).
		HaltOnError().
		CommitEvery(1000, time.Second)
}

func main() {
	p, err := worker(source.KafkaConfig{
		Brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","),
		Group:   "billing",
		Topics:  []string{"orders"},
	}, charge).Build(stream.Named("billing"))
	if err != nil {
		log.Fatal(err) // every fault of the chain and its configuration
	}
	log.Print(p.Describe())
	if err := stream.Supervise(p).Serve(":8080", nil).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
