// Quickstart is a whole Laneway worker. It reads orders from Kafka and charges them, 64 at a time,
// each customer's in the order they were placed. Some fail once and are retried. One is poison, and
// halts its partition until its cause is fixed. The program ends by itself within 15 seconds and
// prints what was checked.
//
//	GOTOOLCHAIN=auto go run ./examples/quickstart
//
// With -console it serves a page at http://127.0.0.1:7070 that shows the worker, leaves the halt to
// you, and runs until Ctrl-C.
//
// The broker runs in this process, unless KAFKA_BROKERS names others (host:port, separated by
// commas). Topic and group belong to this run.
package main

import (
	"context"
	"flag"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// worker is the chain: read it downward. The rest of this folder creates orders, fails some of
// them, and watches.
func worker(from source.KafkaConfig, charge func(context.Context, Order) (Receipt, error)) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).               // kafka.Message → Order
		GroupByKey().                       // order: kept per key, here the customer
		MapConcurrent(64, charge).          // degree: 64 at a time
		RetryOnError(stream.RetryPolicy{}). // failure: retry for about a minute, then …
		HaltOnError().                      // … halt that partition, the others continue
		CommitEvery(1000, time.Second)      // below the work: at least once
}

var onConsole = flag.Bool("console", false, "serve the console at http://127.0.0.1:7070 and leave the halt to you, until Ctrl-C")

func main() { quickstart(5000).Main() }

func quickstart(orders int) demo.Program {
	return demo.Program{Name: "orders", Partitions: partitions, Stay: func() bool { return *onConsole }, Run: func(ctx context.Context, d *demo.Demo) error { return run(ctx, d, orders) }}
}
