package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
)

// saramaGroup follows sarama's own example: a ConsumerGroupHandler that ranges over the messages of
// its claim and marks them.
var saramaGroup = peer{
	name:     "sarama",
	library:  "github.com/IBM/sarama",
	settings: "`ConsumeClaim` ranges over `Messages()` and marks each; Version 3.6, ChannelBufferSize 4,096, MaxWaitTime 100 ms, autocommit every second; all else at its default",
	beside:   "8 partitions",
	failure:  "none: the claim retries it in place; returning the error ends the session of all partitions",
	consume: func(ctx context.Context, j job, handle handler) error {
		group, err := sarama.NewConsumerGroup(j.Brokers, j.Group, saramaConfig())
		if err != nil {
			return err
		}
		for ctx.Err() == nil && err == nil {
			err = group.Consume(ctx, []string{j.Topic}, claims{handle})
		}
		if ctx.Err() != nil {
			err = nil
		}
		return errors.Join(err, group.Close())
	},
}

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.ChannelBufferSize = 4096
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

type claims struct{ handle handler }

func (claims) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (claims) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c claims) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		if !again(s.Context(), c.handle, m.Partition, m.Offset, m.Value) {
			return nil
		}
		s.MarkMessage(m, "")
	}
	return nil
}
