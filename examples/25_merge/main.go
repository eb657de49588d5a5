// Merge bills the orders of two clusters with one chain. The cluster in Europe has them as JSON,
// the one in America in an older format. Every order also goes to an audit log, and orders that
// look like fraud go to a review instead of being billed.
//
//	GOTOOLCHAIN=auto go run ./examples/25_merge
//
// Order: each key's in each cluster; between clusters there is none. Speed: 64 keys of both
// clusters at a time. Guarantee: at least once; each cluster gets its own offsets. A failure: what
// cannot be decoded, billed or reviewed halts its partition, and the audit log is tried until it is
// back. Use it where one worker reads several clusters, or topics of several formats.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Order is what both clusters tell of.
type Order struct {
	Customer string
	Number   int
}

// Bill is what becomes of an order.
type Bill struct {
	Order
	Tax string
}

func worker(eu, us source.KafkaConfig, o *office) stream.Stream[Bill] {
	orders := source.Kafka(eu).As("eu").Map(ops.JSON[Order])
	legacy := source.Kafka(us).As("us").Map(fromLegacy)
	return stream.Merge(orders, legacy).
		AlsoTo(o.audited).
		DivertTo(fraud, o.reviewed).
		GroupByKey().
		MapConcurrent(64, o.tax).
		To(sink.Func(o.bill)).
		HaltOnError().
		CommitEvery(1000, 50*time.Millisecond)
}

// fromLegacy decodes the older format: customer, a tab, the order's number.
func fromLegacy(_ context.Context, m kafka.Message) (o Order, err error) {
	customer, number, ok := bytes.Cut(m.Value, []byte("\t"))
	if !ok {
		return o, fmt.Errorf("no tab in %q", m.Value)
	}
	o.Customer = string(customer)
	_, err = fmt.Sscan(string(number), &o.Number)
	return o, err
}

func fraud(o Order) bool { return o.Number%10 == 7 }

// audited and reviewed are branches: what comes out of them is done.
func (o *office) audited(s stream.Stream[Order]) stream.Stream[Order] {
	return s.To(sink.Func(o.audit), stream.Named("audit")).
		RetryOnError(stream.RetryPolicy{FirstWait: 20 * time.Millisecond, MaxWait: 100 * time.Millisecond, Unlimited: true})
}

func (o *office) reviewed(s stream.Stream[Order]) stream.Stream[Order] {
	return s.Concurrent(4, o.review).HaltOnError()
}

// office is where the orders go.
type office struct {
	mu                     sync.Mutex     // guards the fields below
	audits, reviews, bills map[string]int // by cluster
	last                   map[string]int // the last number billed, by cluster and customer
	disorder               int
	calls                  int
}

func newOffice() *office {
	return &office{audits: map[string]int{}, reviews: map[string]int{}, bills: map[string]int{}, last: map[string]int{}}
}

func (o *office) tax(ctx context.Context, order Order) (Bill, error) {
	m, _ := stream.MetaOf(ctx)
	return Bill{order, "of " + m.Source}, demo.Pause(ctx, time.Millisecond)
}

func (o *office) review(ctx context.Context, _ Order) error {
	m, _ := stream.MetaOf(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reviews[m.Source]++
	return nil
}

// audit refuses its first call.
func (o *office) audit(_ context.Context, out []stream.Out[Order]) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.calls++; o.calls == 1 {
		return fmt.Errorf("the audit log is away")
	}
	for _, e := range out {
		o.audits[e.Meta.Source]++
	}
	return nil
}

func (o *office) bill(_ context.Context, out []stream.Out[Bill]) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range out {
		o.bills[e.Meta.Source]++
		lane := e.Meta.Source + "/" + e.Value.Customer
		if e.Value.Number <= o.last[lane] {
			o.disorder++
		}
		o.last[lane] = e.Value.Number
	}
	return nil
}

func main() { merge.Main() }

var merge = demo.Program{Name: "orders", Partitions: 3, Run: run}

const each = 400 // orders in each cluster

func run(ctx context.Context, eu *demo.Demo) error {
	us, err := eu.Elsewhere(ctx, "legacy", 2)
	if err != nil {
		return err
	}
	if _, err := eu.Seed(ctx, orders(func(o Order) []byte { v, _ := json.Marshal(o); return v })...); err != nil {
		return err
	}
	if _, err := us.Seed(ctx, orders(func(o Order) []byte { return fmt.Appendf(nil, "%s\t%d", o.Customer, o.Number) })...); err != nil {
		return err
	}
	o := newOffice()
	if err := eu.Run(ctx, worker(eu.Kafka, us.Kafka, o)); err != nil {
		return err
	}
	for _, from := range []string{"eu", "us"} {
		eu.Check("audited "+from, o.audits[from] == each, "%d of %d orders", o.audits[from], each)
		eu.Check("reviewed "+from, o.reviews[from] == each/10, "%d of %d orders", o.reviews[from], each/10)
		eu.Check("billed "+from, o.bills[from] == each-each/10, "%d of %d orders", o.bills[from], each-each/10)
	}
	eu.Check("order", o.disorder == 0, "of each key in each cluster: %d exceptions", o.disorder)
	lag, err := us.Lag(ctx)
	eu.Check("committed us", lag == 0, "read back from its broker: lag %d", lag)
	if err != nil {
		return err
	}
	return eu.CheckCommitted(ctx)
}

// orders are the same in both clusters, but for their format.
func orders(format func(Order) []byte) (records []kafka.Message) {
	for i := range each {
		o := Order{fmt.Sprintf("customer-%02d", i%20), i + 1}
		records = append(records, kafka.Message{Key: []byte(o.Customer), Value: format(o)})
	}
	return records
}
