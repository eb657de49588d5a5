package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

const (
	orders    = 600
	customers = 20
	broken    = 3 // records that are not orders
)

func run(ctx context.Context, d *demo.Demo) error {
	if err := seed(ctx, d); err != nil {
		return err
	}
	topic, err := d.NewTopic(ctx, "invoices", 1)
	if err != nil {
		return err
	}
	invoices := sink.Func(func(ctx context.Context, values []stream.Out[[]byte]) error {
		records := make([]kafka.Message, len(values))
		for i, v := range values {
			records[i] = kafka.Message{Topic: topic, Value: v.Value}
		}
		return d.Write(ctx, records...)
	})
	var rejected atomic.Int64
	reject := func(_ context.Context, f stream.Failure) {
		rejected.Add(int64(f.Attempts))
		d.Say("  rejected %v", f)
	}
	bills, err := billing(d.Kafka, reject, invoices).Build(stream.Named("billing"), d.Telemetry())
	if err != nil {
		return err
	}

	fromInvoices := d.Kafka
	fromInvoices.Topics, fromInvoices.Group = []string{topic}, d.NewGroup("booking")
	l := &ledger{cents: map[int64]int64{}, last: map[string]int64{}, through: make(chan struct{})}
	books, err := booking(fromInvoices, l.book).Build(stream.Named("booking"), d.Telemetry())
	if err != nil {
		return err
	}
	d.Say("\n%v\n%v", bills.Describe(), books.Describe())
	if err := d.RunUntil(ctx, l.through, stream.Supervise(bills, books).Run); err != nil {
		return err
	}

	wrong := 0
	for order, cents := range l.cents {
		if cents != 250*(1+order%4) {
			wrong++
		}
	}
	d.Check("booked", len(l.cents) == orders && wrong == 0, "%d of %d orders became invoices through JSON and Protobuf, %d of them wrong", len(l.cents), orders, wrong)
	d.Check("rejected", rejected.Load() == broken, "%d records were not orders, each attempted once", rejected.Load())
	d.Check("in order", l.outOfOrder == 0, "each of %d customers' invoices in the order of the orders, but for %d", customers, l.outOfOrder)
	return d.CheckCommitted(ctx)
}

// seed writes orders, and a few records that are not. Their key is the customer's region.
func seed(ctx context.Context, d *demo.Demo) error {
	articles := []string{"pen", "ink", "paper", "stamp"}
	var records []kafka.Message
	for id := range orders {
		value, err := json.Marshal(Order{ID: int64(id), Customer: fmt.Sprintf("customer-%02d", id%customers), Articles: articles[:1+id%4]})
		if err != nil {
			return err
		}
		records = append(records, kafka.Message{Key: fmt.Appendf(nil, "region-%d", id%customers%4), Value: value})
	}
	for range broken {
		records = append(records, kafka.Message{Value: []byte(`{"id": "not a number"}`)})
	}
	_, err := d.Seed(ctx, records...)
	return err
}

// ledger is where invoices are booked, one at a time.
type ledger struct {
	mu         sync.Mutex // guards the fields below
	cents      map[int64]int64
	last       map[string]int64
	outOfOrder int
	through    chan struct{} // closed once all are booked
}

func (l *ledger) book(_ context.Context, i *Invoice) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.cents[i.Order]; again {
		return nil
	}
	if last, is := l.last[i.Customer]; is && i.Order < last {
		l.outOfOrder++
	}
	l.cents[i.Order], l.last[i.Customer] = i.Cents, i.Order
	if len(l.cents) == orders {
		close(l.through)
	}
	return nil
}
