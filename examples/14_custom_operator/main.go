// Custom_operator has two operators of its own: a Pipe, made of existing words, and a Transform,
// made of channels, which can do more.
//
//	GOTOOLCHAIN=auto go run ./examples/14_custom_operator
//
// Orders and payments arrive in one topic, in any order. An order that is paid is shipped. The Pipe
// removes other events, and the Transform lets each half wait for the other. Neither knows about
// offsets: a record is done when its shipment is, so an order is not committed while its payment is
// missing, and a crash loses none.
//
// Order: as the halves meet. Speed: 8 shipments at a time. Guarantee: at least once. A failure: its
// partition waits. Use a Pipe for words that you would copy from chain to chain. Use a Transform if
// elements must meet: to be joined, held back, replaced.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, ship func(context.Context, Sale) error) stream.Stream[Sale] {
	return source.Kafka(from).
		Map(ops.JSON[Event]).        // kafka.Message → Event
		Via(known).                  // a Pipe: Event → Event
		Transform("match", match).   // a Transform: Event → Sale
		Concurrent(8, ship).         // degree: 8 at a time
		HaltOnError().               // failure: halt that partition
		CommitEvery(50, time.Second) // below the work: at least once
}

// Event is the value of a record. The key is the order, so that both halves of a sale are in one
// partition.
type Event struct {
	Kind  string `json:"kind"` // "ordered", "paid"
	Order int    `json:"order"`
	Cents int    `json:"cents"`
}

// Sale is a paid order.
type Sale struct{ Order, Cents int }

// known is a Pipe: a function from stream to stream. Its words take care of order, acknowledgement
// and failure: an element removed by Filter is done.
func known(events stream.Stream[Event]) stream.Stream[Event] {
	return events.Filter(func(e Event) bool { return e.Kind == "ordered" || e.Kind == "paid" })
}

var errUnmatched = errors.New("the other half has not come yet")

// match is a Transform. It receives elements from a channel. Each must end up in an element that it
// sends, or be dropped, or fail. Joined elements are done when the joined one is.
func match(_ context.Context, in <-chan stream.Elem[Event], out chan<- stream.Elem[Sale]) error {
	waiting := map[int]stream.Elem[Event]{} // by order
	for e := range in {
		other, is := waiting[e.Value.Order]
		switch {
		case is && other.Value.Kind != e.Value.Kind:
			delete(waiting, e.Value.Order)
			out <- other.Join(e).With(Sale{e.Value.Order, max(e.Value.Cents, other.Value.Cents)})
		// the same half again: sent twice, or redelivered after its partition was elsewhere
		case is:
			other.Drop()
			fallthrough
		default:
			waiting[e.Value.Order] = e
		}
	}
	for _, e := range waiting { // in is closed: the worker drains
		e.Fail(errUnmatched) // HaltOnError below: it is not committed, and will be redelivered
	}
	return nil
}

func main() { customOperator.Main() }

var customOperator = demo.Program{Name: "sales", Partitions: 3, Run: run}
