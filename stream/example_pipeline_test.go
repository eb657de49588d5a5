package stream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// Where the commit stands decides the guarantee: here an element reaches the work only after its
// offset was committed.
func ExampleStream_CommitEach_atMostOnce() {
	log := streamtest.NewLog[string]("orders", 1, nil)
	log.Append(0, "", "order 1", "order 2")
	log.Finish()
	_ = source.Slice[string]().CommitBefore(1, 0).
		Serial(func(_ context.Context, order string) error {
			fmt.Println(order, "is committed:", log.Committed(0) > 0)
			return nil
		}).
		Run(context.Background(), log.Source())
	// Output:
	// order 1 is committed: true
	// order 2 is committed: true
}

// Below the work the commit makes at least once of it. Only what is finished without a gap before
// it is ever committed.
func ExampleStream_CommitEvery() {
	log := streamtest.NewLog[string]("orders", 2, nil)
	log.Append(0, "", "order 1", "order 2")
	log.Append(1, "", "order 3")
	log.Finish()
	err := source.Slice[string]().Concurrent(8, func(context.Context, string) error { return nil }).
		CommitEvery(1000, time.Second).
		Run(context.Background(), log.Source())
	fmt.Println(log.Committed(0), log.Committed(1), err)
	// Output: 2 1 <nil>
}

// A wrong chain is refused with every fault at once, before anything connects.
func ExampleStream_Build() {
	_, err := source.Slice("a").
		Concurrent(0, show).
		SkipOnError().
		HaltOnError().
		GroupByKey().Concurrent(8, show).
		CommitEach().
		CommitEvery(100, time.Second).
		Build()
	fmt.Println(err)
	// Output:
	// this pipeline cannot be built:
	// Concurrent(show): 0 at a time: n is at least 1 [LW102]
	// GroupByKey: Concurrent(show) above it works without order, so there is no order left to keep: group above it, give it KeepOrder, or accept the loss of order with Ungroup in between [LW120]
	// CommitEvery: a second commit: remove one of them, since a chain has one guarantee [LW111]
	// HaltOnError: no failure can reach this policy: it governs the steps above it, up to the next unconditional Skip, DeadLetter, Halt or Fail; a Transform cannot be retried [LW130]
}

// A description is made for reviews.
func ExamplePipeline_Describe() {
	length := func(_ context.Context, s string) (int, error) { return len(s), nil }
	p, err := source.Slice[string]().
		Map(length, stream.Named("length")).
		GroupByKey().Concurrent(64, show[int], stream.Timeout(time.Second)).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).HaltOnError().
		CommitEvery(1000, time.Second).
		Build(stream.Named("billing"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(p.Describe())
	// Output:
	// pipeline billing
	//   guarantee: at least once: commit every 1000 records or 1s
	//   source: slice
	//   stage 1: up to 64 keys at a time; order kept: per key
	//     Map length — on error: try 3 times over about 225 ms, then halt the partition
	//     Concurrent show (each attempt within 1s) — on error: try 3 times over about 225 ms, then halt the partition
	//     commit every 1000 records or 1s
}

// The lineage of an element is at hand in every handler.
func ExampleMetaOf() {
	log := streamtest.NewLog[string]("orders", 1, nil)
	log.Append(0, "ann", "order 1")
	log.Finish()
	_ = source.Slice[string]().Serial(func(ctx context.Context, order string) error {
		m, _ := stream.MetaOf(ctx)
		fmt.Println(order, m, string(m.Key))
		return nil
	}).Run(context.Background(), log.Source())
	// Output: order 1 orders[0]@0 ann
}

// Middleware wraps a step as it wraps an HTTP handler.
func ExampleUse() {
	logged := func(next stream.Handler) stream.Handler {
		return func(ctx context.Context, c stream.Call) error {
			err := next(ctx, c)
			fmt.Println(c.Step(), c.Meta(), "attempt", c.Attempt(), err)
			return err
		}
	}
	_ = source.Slice("a").Serial(show, stream.Named("greet"), stream.Use(logged)).Run(context.Background())
	// Output:
	// a
	// greet slice[0]@0 attempt 1 <nil>
}

// A process of two pipelines: the first SIGTERM drains both, /readyz tells how each of their
// partitions stands.
func ExampleSupervise() {
	orders, err := source.Slice("order 1", "order 2").Serial(show).CommitEach().Build(stream.Named("orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	refunds, err := source.Slice("refund 1").Serial(show).CommitEach().Build(stream.Named("refunds"))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = stream.Supervise(orders, refunds).Serve("127.0.0.1:0", nil).Run(context.Background())
	fmt.Println(err)
	// Unordered output:
	// order 1
	// order 2
	// refund 1
	// <nil>
}
