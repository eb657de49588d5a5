// Codecs has two workers in one process, typed from end to end: the first reads orders as JSON and
// writes invoices as Protobuf, the second reads those.
//
//	GOTOOLCHAIN=auto go run ./examples/15_codecs
//
// A codec is a function for Map, from kafka.Message to a type of yours and back: ops.JSON is one,
// Proto (in codec.go) another. The compiler sees to it that each step gets what the one above
// gives. What cannot be decoded fails at once, since no retry can mend it.
//
// Order: each customer's, though the records' key is another one. Speed: 16 customers at a time;
// what is decoded above a GroupBy is decoded by one runner of each partition, since only then is
// the group known. Guarantee: at least once. A failure: told, and skipped. Use it wherever a
// handler should see orders and not bytes.
package main

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// billing makes invoices of orders.
func billing(from source.KafkaConfig, reject func(context.Context, stream.Failure), invoices stream.Sink[[]byte]) stream.Stream[[]byte] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).                  // kafka.Message → Order
		GroupBy(Order.customer).               // order: each customer's
		MapConcurrent(16, bill).               // Order → *Invoice
		Map(ToProto[*Invoice]).                // *Invoice → []byte
		SkipOnError(stream.OnMatch(reject)).   // failure above: tell it, and go on
		To(invoices).                          // done when it is written
		CommitEvery(100, 200*time.Millisecond) // below the work: at least once
}

// booking books invoices.
func booking(from source.KafkaConfig, book func(context.Context, *Invoice) error) stream.Stream[*Invoice] {
	return source.Kafka(from).
		Map(Proto[Invoice]). // kafka.Message → *Invoice
		Serial(book).
		CommitEvery(100, time.Second)
}

// Order is what the first topic holds, as JSON.
type Order struct {
	ID       int64    `json:"id"`
	Customer string   `json:"customer"`
	Articles []string `json:"articles"`
}

func (o Order) customer() string { return o.Customer }

func bill(_ context.Context, o Order) (*Invoice, error) {
	return &Invoice{Order: o.ID, Customer: o.Customer, Cents: 250 * int64(len(o.Articles)), Lines: o.Articles}, nil
}

func main() { codecs.Main() }

var codecs = demo.Program{Name: "orders", Partitions: 3, Run: run}
