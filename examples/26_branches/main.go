// Branches sends records two ways. Every order also goes to an audit log, and orders that look like
// fraud go to a review instead of being billed. The audit log is away for a while, and the billing
// does not notice.
//
//	GOTOOLCHAIN=auto go run ./examples/26_branches
//
// Order: each key's, in each branch. Speed: 16 keys billed at a time, 4 reviewed; an audit log gets
// up to 1,000 orders in one write. Guarantee: at least once in each branch; an order is done, and
// committed, once it is in the audit log and billed or reviewed. A failure: the audit log is tried
// until it is back, while up to MaxInFlight orders of a partition wait for it. Use it where one
// stream has several readers that may wait for each other in the end.
package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

type orders = stream.Stream[kafka.Message]

func worker(from source.KafkaConfig, o *office) orders {
	return source.Kafka(from).
		GroupByKey().
		AlsoTo(o.audited).
		DivertTo(fraud, o.reviewed).
		Concurrent(16, o.bill).
		CommitEvery(100, 50*time.Millisecond)
}

// audited is a branch: what comes out of it is done.
func (o *office) audited(s orders) orders {
	return s.To(sink.Func(o.audit), stream.Named("audit")).
		RetryOnError(stream.RetryPolicy{FirstWait: 20 * time.Millisecond, MaxWait: 100 * time.Millisecond, Unlimited: true})
}

// reviewed is another one.
func (o *office) reviewed(s orders) orders {
	return s.Concurrent(4, o.review).HaltOnError()
}

func fraud(m kafka.Message) bool { return m.Offset%10 == 3 }

// away is how long the audit log is.
const away = 5 * time.Second

// office is what the orders go to.
type office struct {
	billed, seen, audits demo.Recorder

	due      int        // orders to be billed
	mu       sync.Mutex // guards the fields below
	back     time.Time  // when the audit log is back, at the earliest; zero: nobody has called it
	meantime int        // orders that were billed until then
}

func (o *office) bill(ctx context.Context, m kafka.Message) (err error) {
	defer o.billed.Record(m)(&err)
	return demo.Pause(ctx, time.Millisecond)
}

func (o *office) review(ctx context.Context, m kafka.Message) (err error) {
	defer o.seen.Record(m)(&err)
	return demo.Pause(ctx, 2*time.Millisecond)
}

var errAway = errors.New("the audit log is away")

// audit refuses all until the outage is over. It lasts until everything else is done, so that the
// example would not end if the main line waited for it.
func (o *office) audit(_ context.Context, out []stream.Out[kafka.Message]) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.back.IsZero() {
		o.back = time.Now().Add(away)
	}
	billed := o.billed.Handled()
	if time.Now().Before(o.back) || billed < o.due {
		return errAway
	}
	if o.audits.Handled() == 0 {
		o.meantime = billed
	}
	for _, e := range out {
		o.audits.Record(e.Value)(new(error))
	}
	return nil
}

func main() { branches.Main() }

var branches = demo.Program{Name: "orders", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(600, 40)...)
	if err != nil {
		return err
	}
	frauds := 0
	for _, m := range records {
		if fraud(m) {
			frauds++
		}
	}
	o := office{due: len(records) - frauds}
	if err := d.Run(ctx, worker(d.Kafka, &o)); err != nil {
		return err
	}
	d.Check("billed", o.billed.Handled() == o.due, "%d of %d orders", o.billed.Handled(), o.due)
	d.Check("reviewed", o.seen.Handled() == frauds, "%d of %d orders", o.seen.Handled(), frauds)
	d.Check("audited", o.audits.Handled() == len(records), "%d of %d orders", o.audits.Handled(), len(records))
	d.Check("ridden out", o.meantime == o.due, "%d of %d orders were billed while the audit log was away", o.meantime, o.due)
	twice := o.billed.Twice() + o.seen.Twice() + o.audits.Twice()
	d.Check("once", twice == 0, "%d orders went the same way twice", twice)
	wrong := slices.Concat(o.billed.OutOfOrder(demo.ByKey), o.seen.OutOfOrder(demo.ByKey), o.audits.OutOfOrder(demo.ByKey))
	d.Check("order", len(wrong) == 0, "of each key, in each branch: %d exceptions", len(wrong))
	return d.CheckCommitted(ctx)
}
