package readme

import (
	"context"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Order is the value of a record.
type Order struct {
	ID       string
	Customer string
	Cents    int64
}

// Receipt is the result of charging an order.
type Receipt struct{ Order string }

func charge(context.Context, Order) (Receipt, error) { return Receipt{}, nil }
func handle(context.Context, kafka.Message) error    { return nil }
func isFraud(Order) bool                             { return false }
func isTransient(error) bool                         { return false }
func isPoison(error) bool                            { return false }

// Worker is README's first chain.
func Worker(ctx context.Context, brokers []string) error {
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "billing", Topics: []string{"orders"}}).
		Map(ops.JSON[Order]).               // kafka.Message → Order
		GroupByKey().                       // order: kept per key
		MapConcurrent(64, charge).          // degree: 64 at a time
		RetryOnError(stream.RetryPolicy{}). // failure: retry for about a minute, then …
		HaltOnError().                      // … halt that partition, the others continue
		CommitEvery(1000, time.Second).     // below the work: at least once
		Run(ctx)
	return err
}

// Escalation reads its policies downward.
func Escalation(orders stream.Stream[Order], letters stream.Sink[stream.Failure]) stream.Stream[Receipt] {
	return orders.
		MapConcurrent(64, charge, stream.Timeout(5*time.Second)).
		RetryOnError(stream.RetryPolicy{}, stream.When(isTransient)).
		DeadLetterOnError(letters, stream.When(isPoison)).
		HaltOnError()
}

// Guarded shares a circuit breaker.
func Guarded(orders stream.Stream[Order]) stream.Stream[Receipt] {
	bank := ops.Breaker("bank", ops.Unavailable) // timeouts, lost connections; or a func of yours
	return orders.
		MapConcurrent(64, charge, stream.Use(bank), stream.Timeout(3*time.Second)).
		RetryOnError(stream.RetryPolicy{}).
		HaltOnError()
}

// Audited logs each element that passes.
func Audited[T any](log *slog.Logger) stream.Pipe[T, T] {
	return func(s stream.Stream[T]) stream.Stream[T] {
		return s.Map(func(ctx context.Context, v T) (T, error) {
			meta, _ := stream.MetaOf(ctx) // topic, partition, offset, key, headers, time
			log.InfoContext(ctx, "seen", "record", meta)
			return v, nil
		})
	}
}

// Pair is two consecutive orders.
type Pair struct{ First, Second Order }

// Pairs uses Transform.
func Pairs(orders stream.Stream[Order]) stream.Stream[Pair] {
	return orders.
		Transform("pairs", func(ctx context.Context, in <-chan stream.Elem[Order], out chan<- stream.Elem[Pair]) error {
			var first *stream.Elem[Order]
			for e := range in {
				if first == nil {
					first = &e
					continue
				}
				out <- first.Join(e).With(Pair{first.Value, e.Value})
				first = nil
			}
			if first != nil {
				first.Drop()
			}
			return nil
		})
}

func review(s stream.Stream[Order]) stream.Stream[Order] {
	return s.Concurrent(4, func(context.Context, Order) error { return nil }).HaltOnError()
}
