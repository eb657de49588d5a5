package kafkatest

import (
	"context"
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Ends returns the end offsets of the topic's partitions, once no transaction is open on them:
// readers see a commit a moment after it is acknowledged.
func (k *Kafka) Ends(topic string) map[int32]int64 {
	k.t.Helper()
	var ends map[int32]int64
	k.until("no transaction is open on "+topic, func(ctx context.Context) (string, bool, error) {
		written, err := k.ends(ctx, topic, 0)
		if err != nil {
			return "", false, err
		}
		if ends, err = k.ends(ctx, topic, 1); err != nil {
			return "", false, err
		}
		return fmt.Sprintf("written to %v, committed to %v", written, ends), maps.Equal(written, ends), nil
	})
	return ends
}

func (k *Kafka) ends(ctx context.Context, topic string, isolation int8) (ends map[int32]int64, err error) {
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	ask := kmsg.NewPtrMetadataRequest()
	ask.Topics = append(ask.Topics, rt)
	meta, err := ask.RequestWith(ctx, k.Client)
	if err != nil {
		return nil, fmt.Errorf("the partitions of %s: %w", topic, err)
	}
	lt := kmsg.NewListOffsetsRequestTopic()
	lt.Topic = topic
	for _, p := range meta.Topics[0].Partitions {
		lp := kmsg.NewListOffsetsRequestTopicPartition()
		lp.Partition, lp.Timestamp = p.Partition, -1
		lt.Partitions = append(lt.Partitions, lp)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	req.Topics = append(req.Topics, lt)
	ends = map[int32]int64{}
	for _, shard := range k.Client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("the ends of %s: %w", topic, shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("the end of %s[%d]: %w", topic, p.Partition, err)
				}
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends, nil
}

// Records returns the records of the topic up to its current ends, as a read_committed reader of
// another client sees them. Records of a partition are in order. That client checks the checksum of
// every batch.
func (k *Kafka) Records(topic string) []*kgo.Record {
	k.t.Helper()
	ends := k.Ends(topic)
	from := map[int32]kgo.Offset{}
	for p, end := range ends {
		if end > 0 {
			from[p] = kgo.NewOffset().AtStart()
		}
	}
	if len(from) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(patience / 100)}, k.opts...)...)
	if err != nil {
		k.t.Fatalf("kafkatest: a reader of %s: %v", topic, err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(k.t.Context(), 4*patience)
	defer cancel()
	var records []*kgo.Record
	for left := len(from); left > 0; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			k.t.Fatalf("kafkatest: reading %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() && r.Offset < ends[r.Partition] {
				records = append(records, r)
			}
			if r.Offset == ends[r.Partition]-1 { // or a marker, if the last transaction was aborted
				left--
			}
		})
	}
	return records
}
