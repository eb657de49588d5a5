package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.Kafka("orders", 1)
		log.Append(0, "alice", kafka.Message{Value: []byte(`{"ID": "1", "Cents": 250}`)})
		log.Finish() // Run returns when everything is finished and committed

		attempts := 0
		flaky := func(context.Context, Order) error {
			if attempts++; attempts < 3 {
				return errors.New("the bank is busy")
			}
			return nil
		}
		if err := worker(source.KafkaConfig{}, flaky).Run(t.Context(), log.Source()); err != nil {
			t.Fatal(err)
		}
		if attempts != 3 || log.Committed(0) != 1 {
			t.Errorf("%d attempts, committed %d", attempts, log.Committed(0))
		}
	})
}
