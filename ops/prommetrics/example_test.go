package prommetrics_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops/prommetrics"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func ExampleTo() {
	log := streamtest.Kafka("orders", 1)
	log.Append(0, "alice", kafka.Message{}, kafka.Message{}, kafka.Message{})
	log.Finish()
	registry := prometheus.NewRegistry() // serve it with promhttp.HandlerFor
	err := stream.From[kafka.Message](nil).
		CommitEach().
		Run(context.Background(), log.Source(), stream.Named("billing"), stream.Observe(prommetrics.To(registry)))
	if err != nil {
		fmt.Println(err)
	}
	families, _ := registry.Gather()
	for _, f := range families {
		if f.GetName() == "laneway_records_handled_total" {
			fmt.Println(f.GetHelp(), f.Metric[0].Counter.GetValue())
		}
	}
	// Output: Finished records, with any outcome. 3
}
