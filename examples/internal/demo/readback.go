package demo

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadBack returns the records of a topic of this run, as a read_committed reader other than
// Laneway sees them: each partition's in order.
func (d *Demo) ReadBack(ctx context.Context, topic string) ([]kafka.Message, error) {
	ends, err := d.broker.settledEnds(ctx, topic)
	if err != nil {
		return nil, err
	}
	from := map[int32]kgo.Offset{}
	for p, end := range ends {
		if end > 0 {
			from[p] = kgo.NewOffset().AtStart()
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(d.broker.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var records []kafka.Message
	for left := len(from); left > 0; {
		fetched := reader.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", topic, err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if r.Offset == ends[r.Partition]-1 {
				left--
			}
			if r.Attrs.IsControl() || r.Offset >= ends[r.Partition] {
				return
			}
			m := kafka.Message{Topic: topic, Partition: int(r.Partition), Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
			records = append(records, m)
		})
	}
	return records, nil
}

// settledEnds returns the ends of a topic, by partition, once no transaction is open on it: readers
// see a commit a moment after it is acknowledged.
func (b *broker) settledEnds(ctx context.Context, name string) (map[int32]int64, error) {
	for {
		written, err := b.isolatedEnds(ctx, name, 0)
		if err != nil {
			return nil, err
		}
		committed, err := b.isolatedEnds(ctx, name, 1)
		if err != nil || maps.Equal(written, committed) {
			return committed, err
		}
		if err := Pause(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("a transaction is open on %s: %w", name, err)
		}
	}
}

func (b *broker) isolatedEnds(ctx context.Context, name string, isolation int8) (map[int32]int64, error) {
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for n := range b.topics[name] {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(n), -1
		topic.Partitions = append(topic.Partitions, p)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.IsolationLevel, list.Topics = isolation, append(list.Topics, topic)
	listed, err := list.RequestWith(ctx, b.client)
	if err != nil {
		return nil, fmt.Errorf("reading the end of %s: %w", name, err)
	}
	ends := map[int32]int64{}
	for _, t := range listed.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("reading the end of %s[%d]: %w", name, p.Partition, err)
			}
			ends[p.Partition] = p.Offset
		}
	}
	return ends, nil
}
