package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

var errGone = errors.New("the record no longer exists")

// original reads the original record of an abridged letter. No retry helps if the record is gone.
func (o *order) original(ctx context.Context, l ops.Letter) (kafka.Message, error) {
	from := stream.TopicPartition{Topic: l.Topic, Partition: l.Partition}
	records, err := o.at(ctx, from, l.Offset)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("reading the original record %v@%d: %w", from, l.Offset, err)
	}
	for _, m := range records {
		if m.Time.UnixMilli() == l.Time.UnixMilli() { // otherwise the topic was recreated
			return m, nil
		}
	}
	return kafka.Message{}, stream.Permanent(fmt.Errorf("%v@%d: %w", from, l.Offset, errGone))
}

// at reads the record at an offset, or none if it no longer exists.
func (o *order) at(ctx context.Context, tp stream.TopicPartition, offset int64) ([]kafka.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	log, err := o.cluster.look(ctx, o.transport, tp.Topic)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ends, err := log.ends(ctx); err != nil || offset >= ends[tp] {
		return nil, err
	}
	found := sink.Slice[kafka.Message]()
	err = source.Kafka(source.KafkaConfig{Brokers: o.addrs(), Transport: o.transport, Reset: source.Fail,
		Partitions: map[stream.TopicPartition]source.Span{tp: {From: source.AtOffset(offset), To: source.AtOffset(offset + 1)}}}).
		To(found).
		Run(ctx)
	if _, expired := errors.AsType[*kafkaerr.OutOfRangeError](err); expired {
		return nil, nil
	}
	return found.Values(), errors.Join(err, ctx.Err())
}
