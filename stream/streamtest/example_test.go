package streamtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// greet is a handler under test.
func greet(ctx context.Context, m kafka.Message) error {
	meta, _ := stream.MetaOf(ctx)
	fmt.Printf("%v: hello, %s\n", meta, m.Value)
	return nil
}

// worker is the chain under test, with its source, as in production.
func worker(cfg source.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(cfg).GroupByKey().Concurrent(64, greet).HaltOnError().CommitEvery(1000, time.Second)
}

// A chain runs unchanged on a log in memory. Finish says that nothing more is appended, so that Run
// returns.
func Example() {
	log := streamtest.Kafka("people", 2)
	log.Append(0, "ann", kafka.Message{Value: []byte("Ann")})
	log.Append(0, "ann", kafka.Message{Value: []byte("Ann again")})
	log.Finish()

	err := worker(source.KafkaConfig{}).Run(context.Background(), log.Source())
	fmt.Println(err, log.Committed(0))
	// Output:
	// people[0]@0: hello, Ann
	// people[0]@1: hello, Ann again
	// <nil> 2
}

// A handler can be tested alone.
func ExampleWithMeta() {
	ctx := streamtest.WithMeta(context.Background(), stream.Meta{Topic: "people", Partition: 3, Offset: 7})
	_ = greet(ctx, kafka.Message{Value: []byte("Bob")})
	// Output: people[3]@7: hello, Bob
}

// A log can hold any element type; stamp writes a record's position into the value.
func ExampleNewLog() {
	type row struct {
		ID   int64
		Name string
	}
	log := streamtest.NewLog("rows", 1, func(r *row, m stream.Meta) { r.ID = m.Offset })
	log.Append(0, "", row{Name: "first"}, row{Name: "second"})
	log.Finish()
	_ = source.Slice[row]().Serial(func(_ context.Context, r row) error {
		fmt.Println(r.ID, r.Name)
		return nil
	}).Run(context.Background(), log.Source())
	// Output:
	// 0 first
	// 1 second
}

// A member that crashes leaves its uncommitted records to the next member.
func ExampleMember_Crash() {
	log := streamtest.NewLog[string]("orders", 1, nil)
	log.Append(0, "", "order 1", "order 2")

	reached := make(chan struct{})
	stuck := func(ctx context.Context, order string) error {
		if order == "order 2" {
			close(reached)
			<-ctx.Done()
			return ctx.Err()
		}
		fmt.Println("first member:", order)
		return nil
	}
	first := log.Member()
	ended := make(chan error)
	go func() {
		ended <- source.Slice[string]().Serial(stuck).CommitEach().Run(context.Background(), first.Source())
	}()
	_ = first.Assign(0)
	<-reached
	first.Crash()
	fmt.Println("crashed:", errors.Is(<-ended, streamtest.ErrCrashed), "committed:", log.Committed(0))

	log.Finish()
	_ = source.Slice[string]().Serial(func(_ context.Context, order string) error {
		fmt.Println("second member:", order)
		return nil
	}).CommitEach().Run(context.Background(), log.Source())
	// Output:
	// first member: order 1
	// crashed: true committed: 1
	// second member: order 2
}

// A call that has its effect just before a crash is made again: at least once.
func ExampleMember_CrashAt() {
	log := streamtest.NewLog[string]("orders", 1, nil)
	log.Append(0, "", "order 1", "order 2", "order 3")
	log.Finish()
	charge := func(_ context.Context, order string) error {
		fmt.Println("charged", order)
		return nil
	}
	chain := source.Slice[string]().Serial(charge, stream.Named("charge")).CommitEach()

	first := log.Member()
	ended := make(chan error)
	go func() { ended <- chain.Run(context.Background(), first.Source(), first.CrashAt("charge", 2)) }()
	_ = first.Assign(0)
	fmt.Println("crashed:", errors.Is(<-ended, streamtest.ErrCrashed), "committed:", log.Committed(0))
	_ = chain.Run(context.Background(), log.Source())
	// Output:
	// charged order 1
	// charged order 2
	// crashed: true committed: 1
	// charged order 2
	// charged order 3
}

// A database whose answer is lost has stored the results. They are not stored again.
func ExampleTransactor() {
	log := streamtest.NewLog[string]("orders", 1, nil)
	log.Append(0, "", "order 1", "order 2")
	db := new(streamtest.Transactor[string])
	db.LoseAnswers(errors.New("the connection is closed"))

	bill := func(_ context.Context, order string) (string, error) { return "bill of " + order, nil }
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- source.Slice[string]().MapSerial(bill).
			CommitWith(db, 1, 0).
			RetryOnError(stream.RetryPolicy{FirstWait: time.Millisecond}).
			Run(ctx, log.Source())
	}()
	_ = log.WaitCommitted(ctx, 0, 2)
	stop()
	fmt.Println(<-ended, db.Results())
	// Output: <nil> [bill of order 1 bill of order 2]
}

// In a testing/synctest bubble, time is virtual: a test of a retry after an hour takes no time.
func TestRetryInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.NewLog[string]("orders", 1, nil)
		log.Append(0, "", "order 1")
		log.Finish()
		asked := 0
		ask := func(context.Context, string) error {
			if asked++; asked < 3 {
				return errors.New("ask again later")
			}
			return nil
		}
		start := time.Now()
		err := source.Slice[string]().Serial(ask).
			RetryOnError(stream.RetryPolicy{Wait: func(stream.Failure) time.Duration { return time.Hour }}).
			Run(t.Context(), log.Source())
		if took := time.Since(start); err != nil || took != 2*time.Hour {
			t.Errorf("took %v: %v", took, err)
		}
	})
}
