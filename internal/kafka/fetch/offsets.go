package fetch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// special times for List, besides milliseconds
const (
	AtEnd   int64 = -1
	AtStart int64 = -2
)

// Leader returns the leader of a partition by the known metadata; -1: none.
func Leader(c Client, tp wire.TopicPartition) int32 {
	leader, _ := leaderOf(c, tp)
	return leader
}

// leaderOf is Leader with the reason why there is none.
func leaderOf(c Client, tp wire.TopicPartition) (int32, error) {
	t, _ := c.Topic(tp.Topic)
	leader, err := t.LeaderOf(tp.Partition)
	if err != nil {
		return -1, troubleOf(tp, err)
	}
	return leader, nil
}

// List asks the leader of partitions once for an offset in each. at is AtStart, AtEnd (under
// read_committed: after the last finished transaction), or a time in milliseconds, for the first
// record of that time or later; the result is -1 if there is none. failed says why one was not
// found.
func List(ctx context.Context, c Client, leader int32, at int64, uncommitted bool, tps ...wire.TopicPartition) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, isolation(uncommitted)
	for _, t := range wire.ByTopic(tps) {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = t.Topic
		for _, n := range t.Partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = n, at
			rt.Partitions = append(rt.Partitions, p)
		}
		req.Topics = append(req.Topics, rt)
	}
	return askLeader(ctx, c, leader, tps, req, func(resp kmsg.Response, each perPartition) {
		for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				each(t.Topic, p.Partition, p.ErrorCode, p.Offset)
			}
		}
	})
}

// EpochEnds asks the leader of partitions once where a leader epoch ends in their logs: at the
// start of the next epoch, or at the end of the log. Records read from there on were truncated. The
// result is -1 if the leader does not know the epoch. failed says why one was not found.
func EpochEnds(ctx context.Context, c Client, leader int32, epochs map[wire.TopicPartition]int32) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	tps := slices.Collect(maps.Keys(epochs))
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	for _, t := range wire.ByTopic(tps) {
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = t.Topic
		known, _ := c.Topic(t.Topic)
		for _, n := range t.Partitions {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.LeaderEpoch = n, epochs[wire.PartitionOf(t.Topic, n)]
			if at, there := known.Partitions[n]; there { // a former leader is not trusted
				p.CurrentLeaderEpoch = at.LeaderEpoch
			}
			rt.Partitions = append(rt.Partitions, p)
		}
		req.Topics = append(req.Topics, rt)
	}
	return askLeader(ctx, c, leader, tps, req, func(resp kmsg.Response, each perPartition) {
		for _, t := range resp.(*kmsg.OffsetForLeaderEpochResponse).Topics {
			for _, p := range t.Partitions {
				each(t.Topic, p.Partition, p.ErrorCode, p.EndOffset)
			}
		}
	})
}

// perPartition receives what a response says about one partition.
type perPartition func(topic string, partition int32, code int16, offset int64)

// askLeader sends req, which asks for an offset of each of tps, to their leader. read passes on
// what the response says about each.
func askLeader(ctx context.Context, c Client, leader int32, tps []wire.TopicPartition, req kmsg.Request, read func(kmsg.Response, perPartition)) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	found, failed = make(map[wire.TopicPartition]int64, len(tps)), map[wire.TopicPartition]error{}
	var resp kmsg.Response
	var err error
	if leader >= 0 {
		resp, err = c.Broker(ctx, leader, req)
	}
	for _, tp := range tps {
		switch {
		case leader < 0:
			_, why := leaderOf(c, tp) // nil: it has one by now
			failed[tp] = cmp.Or(why, troubleOf(tp, wire.LeaderNotAvailable))
		case err != nil:
			failed[tp] = err
		default:
			failed[tp] = troubleOf(tp, fmt.Errorf("the response of broker %d lacks it: %w", leader, wire.UnknownTopicOrPartition))
		}
	}
	if resp == nil {
		return found, failed
	}
	read(resp, func(topic string, partition int32, code int16, offset int64) {
		tp := wire.PartitionOf(topic, partition)
		if err := wire.Code(code).Err(); err != nil {
			failed[tp] = troubleOf(tp, err)
			return
		}
		delete(failed, tp)
		found[tp] = offset
	})
	return found, failed
}

// troubleOf wraps an error of a partition.
func troubleOf(tp wire.TopicPartition, err error) error {
	return &kafkaerr.TopicError{Topic: tp.Topic, Err: fmt.Errorf("partition %d: %w", tp.Partition, err)}
}

// reposition applies the reset policy to a partition that this goroutine has. It tries once. The
// next out-of-range response causes another attempt, and this goroutine reads other partitions in
// between.
func (f *Fetcher) reposition(ctx context.Context, p *part, from int64, why string) {
	leader := Leader(f.cfg.Client, p.tp)
	first, failed := List(ctx, f.cfg.Client, leader, AtStart, f.cfg.Uncommitted, p.tp)
	var last map[wire.TopicPartition]int64
	if len(failed) == 0 {
		last, failed = List(ctx, f.cfg.Client, leader, AtEnd, f.cfg.Uncommitted, p.tp)
	}
	if err := failed[p.tp]; err != nil {
		f.cfg.OnEvent(Event{Name: "reset failed", TopicPartition: p.tp, Err: err, Text: "it retries"})
		f.retry(p, err, time.Now())
		raise(f.refresh)
		return
	}
	if from >= first[p.tp] && from <= last[p.tp] { // the broker lagged behind, and the log is read on
		f.retry(p, troubleOf(p.tp, wire.OffsetOutOfRange), time.Now())
		return
	}
	to := first[p.tp]
	switch f.cfg.Reset {
	case Latest:
		to = last[p.tp]
	case Fail:
		f.fail(&kafkaerr.OutOfRangeError{Topic: p.tp.Topic, Partition: p.tp.Partition, Offset: from, Earliest: first[p.tp], Latest: last[p.tp], Why: why})
		return
	}
	back := to < from
	moved := p.do(func() {
		if !back {
			p.p.Advance(to, last[p.tp])
		}
	})
	if !moved {
		return
	}
	f.mu.Lock()
	p.stopped = back
	f.mu.Unlock()
	f.cfg.OnReset(p.tp, from, to, back)
}
