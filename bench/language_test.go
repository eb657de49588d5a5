package bench

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// The benchmarks use Laneway's words here and in words_test.go, so that a renamed word is changed
// in one place.

type (
	message = kafka.Message
	chain   = stream.Stream[message]
)

func noop(context.Context, message) error { return nil }

// keyed works by key, n keys at a time.
func keyed(s chain, n int, f func(context.Context, message) error) chain {
	return s.GroupByKey().Concurrent(n, f)
}

// atLeastOnce commits what is finished.
func atLeastOnce(s chain) chain { return s.CommitEvery(1000, time.Second) }

// atMostOnce commits before the work below it.
func atMostOnce(s chain) chain { return s.CommitBefore(1000, time.Second) }

// exactlyOnce ends in transactions that store nothing, which leaves the cost of holding results
// back.
func exactlyOnce(s chain, size int) chain { return s.CommitWith(keepsNothing{}, size, time.Second) }

type keepsNothing struct{}

func (keepsNothing) Restore(context.Context, map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	return nil, nil
}
func (keepsNothing) Commit(context.Context, stream.Txn[message]) error { return nil }

// nowhere is a sink that does nothing.
type nowhere struct{}

func (nowhere) Write(context.Context, []stream.Out[message]) error { return nil }

// letters is a sink of dead letters that does nothing.
type letters struct{}

func (letters) Write(context.Context, []stream.Out[stream.Failure]) error { return nil }

// inFlight lets n records of each partition be in flight.
func inFlight(n int) stream.Option { return stream.MaxInFlight(n, 64<<20) }

// measured has metrics in a registry.
func measured(r prometheus.Registerer) stream.Option { return stream.Observe(prommetrics.To(r)) }

// fromKafka reads one topic in a group.
func fromKafka(brokers []string, group, topic string) chain {
	return source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}})
}
