package fetch

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Again is records that were read again.
type Again struct {
	Messages []kafka.Message
	Bytes    int64 // that they keep in memory
	Next     int64 // position after them
	Deleted  bool  // the log starts at Next: what was below is deleted
}

// Reread asks the leader of a partition once for records from an offset on. It does not touch the
// reading of the partition.
func (f *Fetcher) Reread(ctx context.Context, tp wire.TopicPartition, topic [16]byte, from int64) (Again, error) {
	t, _ := f.cfg.Client.Topic(tp.Topic)
	leader, err := t.LeaderOf(tp.Partition)
	if err != nil {
		f.Refresh()
		return Again{}, troubleOf(tp, err)
	}
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch = int32(tp.Partition), t.Partitions[int32(tp.Partition)].LeaderEpoch
	rp.FetchOffset, rp.PartitionMaxBytes = from, perPart
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = tp.Topic, topic
	rt.Partitions = append(rt.Partitions, rp)
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(f.cfg.MaxWait.Milliseconds()), 1, perPart
	req.IsolationLevel = isolation(f.cfg.Uncommitted)
	req.Topics = append(req.Topics, rt)
	resp, release, err := f.cfg.Client.Fetch(ctx, leader, req)
	if err != nil {
		f.Refresh()
		return Again{}, err
	}
	defer release()
	if err := wire.Code(resp.ErrorCode).Err(); err != nil {
		return Again{}, fmt.Errorf("fetching from broker %d: %w", leader, err)
	}
	if len(resp.Topics) == 0 || len(resp.Topics[0].Partitions) == 0 { // throttled
		return Again{Next: from}, nil
	}
	return f.again(ctx, tp, from, &resp.Topics[0].Partitions[0])
}

func (f *Fetcher) again(ctx context.Context, tp wire.TopicPartition, from int64, rp *kmsg.FetchResponseTopicPartition) (a Again, err error) {
	switch code := wire.Code(rp.ErrorCode); code {
	case wire.None:
	case wire.OffsetOutOfRange:
		starts, failed := List(ctx, f.cfg.Client, Leader(f.cfg.Client, tp), AtStart, f.cfg.Uncommitted, tp)
		if at := starts[tp]; failed[tp] == nil && at > from {
			return Again{Next: at, Deleted: true}, nil
		}
		return a, troubleOf(tp, code)
	default:
		f.Refresh()
		return a, troubleOf(tp, code)
	}
	set := f.cfg.Decoder.Open(batch.Fetched{Topic: tp.Topic, Partition: tp.Partition, From: from, HighWater: rp.HighWatermark, Records: rp.RecordBatches,
		Committed: !f.cfg.Uncommitted, Aborted: rp.AbortedTransactions})
	defer set.Close()
	for set.More() && a.Bytes < perFetch {
		msgs, bytes, err := set.Take(chunk)
		if err != nil {
			if a.Next == 0 { // what is before the broken batch is read first
				return a, err
			}
			break
		}
		a.Messages, a.Bytes, a.Next = append(a.Messages, msgs...), a.Bytes+bytes, set.Next()
	}
	a.Next = max(a.Next, from)
	return a, nil
}
