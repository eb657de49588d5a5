package readme

import (
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// Dials shows the four choices.
func Dials(brokers []string) stream.Stream[Receipt] {
	return source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "billing", Topics: []string{"orders"}}).
		Map(ops.JSON[Order]).
		GroupByKey().                       // order
		MapConcurrent(64, charge).          // degree
		RetryOnError(stream.RetryPolicy{}). // failure
		HaltOnError().
		CommitEvery(1000, time.Second) // guarantee
}

// Branches sends orders two ways.
func Branches(orders stream.Stream[Order], log stream.Sink[Order]) stream.Stream[Receipt] {
	audit := func(s stream.Stream[Order]) stream.Stream[Order] {
		return s.To(log).RetryOnError(stream.RetryPolicy{Unlimited: true})
	}
	return orders.
		GroupByKey().
		AlsoTo(audit).             // every order goes there, too
		DivertTo(isFraud, review). // these go there instead
		MapConcurrent(64, charge)
}

// Together collects what many keys have finished.
func Together(orders stream.Stream[Order]) stream.Stream[[]Receipt] {
	return orders.
		GroupByKey().
		MapConcurrent(64, charge).
		Ungroup().
		Batch(500, time.Second)
}
