package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// dateTime bounds the search for the times of records, which may be in old segments.
const dateTime = 10 * time.Second

// date looks up when the next records for the group were written. If that takes too long, the times
// stay unknown.
func (c *cluster) date(ctx context.Context, g *storedGroup) error {
	behind := map[stream.TopicPartition]*storedPart{}
	spans := map[stream.TopicPartition]source.Span{}
	for _, p := range g.parts {
		if p.lag() > 0 {
			tp := stream.TopicPartition{Topic: p.Topic, Partition: p.Partition}
			behind[tp] = p
			spans[tp] = source.Span{From: source.AtOffset(max(p.Committed, p.Start)), To: source.AtOffset(p.End)}
		}
	}
	if len(spans) == 0 {
		return nil
	}
	t, err := c.transport()
	if err != nil {
		return err
	}
	defer t.CloseIdleConnections()
	ctx, stop := context.WithTimeout(ctx, dateTime)
	defer stop()
	var mu sync.Mutex // guards behind and the times
	err = source.Kafka(source.KafkaConfig{Brokers: c.addrs(), Transport: t, Partitions: spans}).
		GroupByPartition().
		Concurrent(len(spans), func(_ context.Context, m kafka.Message) error {
			mu.Lock()
			defer mu.Unlock()
			tp := stream.TopicPartition{Topic: m.Topic, Partition: m.Partition}
			if p := behind[tp]; p != nil {
				p.oldest = m.Time
				delete(behind, tp)
			}
			if len(behind) == 0 {
				stop()
			}
			return nil
		}).
		Run(ctx, stream.Observe(), stream.MaxInFlight(1))
	if ctx.Err() != nil {
		return nil
	}
	if _, fatal := errors.AsType[*stream.BuildError](err); fatal {
		return err
	}
	return nil // an unreadable partition is shown without a time
}
