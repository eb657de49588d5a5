package fetch

import (
	"context"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EpochEnds asks the leader of partitions once where a leader epoch ends in their logs: at the
// start of the next epoch, or at the end of the log. Records read from there on were truncated. The
// result is -1 if the leader does not know the epoch. failed says why one was not found.
func EpochEnds(ctx context.Context, c Client, leader int32, epochs map[wire.TopicPartition]int32) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	found, failed = make(map[wire.TopicPartition]int64, len(epochs)), make(map[wire.TopicPartition]error)
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	index := map[string]int{}
	for tp, epoch := range epochs {
		if leader < 0 {
			failed[tp] = troubleOf(tp, wire.LeaderNotAvailable)
			continue
		}
		failed[tp] = lacking(leader, tp)
		i, ok := index[tp.Topic]
		if !ok {
			i = len(req.Topics)
			index[tp.Topic] = i
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.LeaderEpoch = int32(tp.Partition), epoch
		if at, ok := c.Topic(tp.Topic); ok { // a former leader is not trusted
			p.CurrentLeaderEpoch = at.Partitions[p.Partition].LeaderEpoch
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	if leader < 0 {
		return found, failed
	}
	r, err := c.Broker(ctx, leader, req)
	if err != nil {
		for tp := range epochs {
			failed[tp] = err
		}
		return found, failed
	}
	for _, t := range r.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			tp := wire.PartitionOf(t.Topic, p.Partition)
			if err := wire.Code(p.ErrorCode).Err(); err != nil {
				failed[tp] = troubleOf(tp, err)
				continue
			}
			delete(failed, tp)
			found[tp] = p.EndOffset
		}
	}
	return found, failed
}
