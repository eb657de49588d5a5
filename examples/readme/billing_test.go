package readme

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func billing(charge func(context.Context, Order) (Receipt, error)) stream.Stream[Receipt] {
	return source.Kafka(source.KafkaConfig{Brokers: []string{"kafka:9092"}, Group: "billing", Topics: []string{"orders"}}).
		Map(ops.JSON[Order]).
		GroupByKey().
		MapConcurrent(64, charge).
		CommitEvery(1000, time.Second)
}

func TestBillingChargesEachOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.Kafka("orders", 2)
		log.Append(0, "alice", kafka.Message{Value: []byte(`{"ID": "1"}`)})
		log.Finish() // that was all: Run returns when everything is finished and committed

		if err := billing(charge).Run(t.Context(), log.Source()); err != nil {
			t.Fatal(err)
		}
		if log.Committed(0) != 1 {
			t.Error("the order was not committed")
		}
	})
}
