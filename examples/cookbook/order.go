package cookbook

import (
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// PerKey works on many keys at a time, and on one record of each.
func PerKey(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		CommitEvery(1000, time.Second)
}

// PerCustomer keeps order by a field of the value.
func PerCustomer(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupBy(func(o Order) string { return o.Customer }).
		MapConcurrent(64, charge).
		CommitEvery(1000, time.Second)
}

// Unordered works on any 100 records at a time.
func Unordered(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		MapConcurrent(100, charge).
		CommitEvery(1000, time.Second)
}

// Batched writes together what many keys have finished.
func Batched(from source.KafkaConfig, charge Charge, store Store) stream.Stream[[]Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		Ungroup(). // the order of writes does not matter
		Batch(500, time.Second).
		Concurrent(2, store).
		CommitEvery(1000, time.Second)
}

// Throttled makes at most 50 calls a second, whatever the lag.
func Throttled(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		Throttle(50, 10). // bursts of up to 10
		MapConcurrent(8, charge).
		CommitEvery(1000, time.Second)
}

// Shared bounds the calls of two chains together.
func Shared(orders, refunds source.KafkaConfig, charge, refund Charge) (_, _ stream.Stream[Receipt]) {
	bank := stream.Use(ops.Limit(10))
	pay := func(from source.KafkaConfig, call Charge) stream.Stream[Receipt] {
		return source.Kafka(from).
			Map(ops.JSON[Order]).
			MapConcurrent(10, call, bank).
			CommitEvery(1000, time.Second)
	}
	return pay(orders, charge), pay(refunds, refund)
}

// Once leaves out what a producer wrote twice.
func Once(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Map(ops.JSON[Order]).
		Via(ops.Dedup(func(o Order) string { return o.ID }, 10_000)). // among the last 10,000 of a partition
		GroupByKey().
		MapConcurrent(64, charge).
		CommitEvery(1000, time.Second)
}

// Live leaves out the tombstones of a compacted topic.
func Live(from source.KafkaConfig, charge Charge) stream.Stream[Receipt] {
	return source.Kafka(from).
		Filter(func(m kafka.Message) bool { return m.Value != nil }).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		CommitEvery(1000, time.Second)
}
