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

// Together collects what many keys have finished.
func Together(orders stream.Stream[Order]) stream.Stream[[]Receipt] {
	return orders.
		GroupByKey().
		MapConcurrent(64, charge).
		Ungroup().
		Batch(500, time.Second)
}
