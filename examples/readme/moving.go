package readme

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
)

// Before is a loop around kafka-go's Reader.
func Before(ctx context.Context, brokers []string) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, GroupID: "billing", Topic: "orders"})
	defer r.Close()
	for {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return err
		}
		if err := handle(ctx, m); err != nil {
			return err
		}
		if err := r.CommitMessages(ctx, m); err != nil {
			return err
		}
	}
}

// After is the same worker.
func After(ctx context.Context, brokers []string) error {
	return source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "billing", Topics: []string{"orders"}}).
		GroupByPartition().
		Serial(handle).
		CommitEvery(100, time.Second).
		Run(ctx)
}
