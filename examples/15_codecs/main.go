// Codecs has two workers in one process, typed from end to end. The first reads orders as JSON and
// writes invoices as Protobuf, the second reads those.
//
//	GOTOOLCHAIN=auto go run ./examples/15_codecs
//
// A codec is a function for Map, between kafka.Message and a type of yours. ops.JSON is one, Proto
// (in codec.go) another. The compiler checks that each step gets the type that the step above
// returns. A value that cannot be decoded fails without a retry.
//
// Order: each customer's, although the records have another key. Speed: 16 customers at a time;
// decoding above a GroupBy runs one at a time in each partition, since the group is known only
// after it. Guarantee: at least once. A failure: reported and skipped. Use it if a handler should
// get orders and not bytes.
package main

import (
	"context"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// billing turns orders into invoices.
func billing(from source.KafkaConfig, reject func(context.Context, stream.Failure), invoices stream.Sink[[]byte]) stream.Stream[[]byte] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).                  // kafka.Message → Order
		GroupBy(Order.customer).               // order: each customer's
		MapConcurrent(16, bill).               // Order → *Invoice
		Map(ToProto[*Invoice]).                // *Invoice → []byte
		SkipOnError(stream.OnMatch(reject)).   // failure above: report and skip
		To(invoices).                          // done when written
		CommitEvery(100, 200*time.Millisecond) // below the work: at least once
}

// booking books invoices.
func booking(from source.KafkaConfig, book func(context.Context, *Invoice) error) stream.Stream[*Invoice] {
	return source.Kafka(from).
		Map(Proto[Invoice]). // kafka.Message → *Invoice
		Serial(book).
		CommitEvery(100, time.Second)
}

// Order is the value of a record in the first topic, as JSON.
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
