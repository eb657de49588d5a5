package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/examples/internal/demotest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestMain(m *testing.M) { demotest.Main(m, customOperator) }

func TestCustomOperator(t *testing.T) {
	t.Run("commits nothing that waits for its other half", func(t *testing.T) {
		demotest.Run(t, customOperator, nil,
			`ok  waited for  with 497 shipped, .* and 0 went past one`,
			`ok  shipped     500 of 500 orders, each with its payment`,
			`ok  accounted   1000 records belong to them, 0 of them twice`,
			`ok  committed   .* lag 0`,
		)
	})
	t.Run("leaves unmatched halves for the next run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log := streamtest.Kafka("sales", 1)
			log.Append(0, "1", records([]Event{{Kind: "ordered", Order: 1}, {Kind: "paid", Order: 1, Cents: 101}, {Kind: "ordered", Order: 2}})...)
			var shipped []int
			ship := func(_ context.Context, s Sale) error {
				shipped = append(shipped, s.Order)
				return nil
			}
			ctx, drain := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- worker(source.KafkaConfig{}, ship).Run(ctx, log.Source()) }()
			synctest.Wait()
			drain()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if log.Committed(0) != 2 {
				t.Errorf("committed %d, want 2, since the second order waits for its payment", log.Committed(0))
			}

			log.Append(0, "2", records([]Event{{Kind: "paid", Order: 2, Cents: 102}})...)
			log.Finish()
			if err := worker(source.KafkaConfig{}, ship).Run(t.Context(), log.Source()); err != nil {
				t.Error(err)
			}
			if len(shipped) != 2 || log.Committed(0) != 4 {
				t.Errorf("shipped %v, committed %d", shipped, log.Committed(0))
			}
		})
	})
}
