package main

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/sourcegraph/conc"
)

// watermillSubscriber follows watermill's own example: a Subscriber whose messages are acknowledged
// or not.
var watermillSubscriber = peer{
	name:     "watermill-kafka",
	library:  "github.com/ThreeDotsLabs/watermill-kafka/v3",
	settings: "one loop over `Subscribe`, by key a goroutine per message as in its Router; sarama's settings above; NackResendSleep 100 ms",
	beside:   "8 partitions",
	failure:  "`Nack`: sent again every 100 ms; its Router has a poison queue",
	consume: func(ctx context.Context, j job, handle handler) error {
		sub, err := kafka.NewSubscriber(kafka.SubscriberConfig{Brokers: j.Brokers, ConsumerGroup: j.Group, Unmarshaler: kafka.DefaultMarshaler{},
			OverwriteSaramaConfig: saramaConfig()}, nil)
		if err != nil {
			return err
		}
		messages, err := sub.Subscribe(context.Background(), j.Topic)
		if err != nil {
			return err
		}
		var closed, handlers conc.WaitGroup
		closed.Go(func() {
			<-ctx.Done()
			time.Sleep(10 * time.Millisecond) // Close discards acknowledgements it has not seen
			err = sub.Close()
		})
		for m := range messages {
			if j.Keyed {
				handlers.Go(func() { acknowledge(m, handle) })
			} else {
				acknowledge(m, handle)
			}
		}
		handlers.Wait()
		closed.Wait()
		return err
	},
}

func acknowledge(m *message.Message, handle handler) {
	partition, _ := kafka.MessagePartitionFromCtx(m.Context())
	offset, _ := kafka.MessagePartitionOffsetFromCtx(m.Context())
	if handle(partition, offset, m.Payload) != nil {
		m.Nack()
		return
	}
	m.Ack()
}
