package fetch

import (
	"context"
	"fmt"
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
	t, _ := c.Topic(tp.Topic)
	if p, ok := t.Partitions[int32(tp.Partition)]; ok {
		return p.Leader
	}
	return -1
}

// List asks the leader of partitions once for an offset in each. at is AtStart, AtEnd (under
// read_committed: after the last finished transaction), or a time in milliseconds, for the first
// record of that time or later; the result is -1 if there is none. failed says why one was not
// found.
func List(ctx context.Context, c Client, leader int32, at int64, uncommitted bool, tps ...wire.TopicPartition) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	found, failed = make(map[wire.TopicPartition]int64, len(tps)), map[wire.TopicPartition]error{}
	resp, err := ask(ctx, c, leader, at, uncommitted, tps)
	if err != nil {
		for _, tp := range tps {
			failed[tp] = err
		}
		return found, failed
	}
	for _, tp := range tps {
		failed[tp] = lacking(leader, tp)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			tp := wire.PartitionOf(t.Topic, p.Partition)
			if err := wire.Code(p.ErrorCode).Err(); err != nil {
				failed[tp] = troubleOf(tp, err)
				continue
			}
			delete(failed, tp)
			found[tp] = p.Offset
		}
	}
	return found, failed
}

// troubleOf wraps an error of a partition.
func troubleOf(tp wire.TopicPartition, err error) error {
	return &kafkaerr.TopicError{Topic: tp.Topic, Err: fmt.Errorf("partition %d: %w", tp.Partition, err)}
}

// lacking is the error of a partition until the leader's response names it.
func lacking(leader int32, tp wire.TopicPartition) error {
	return &kafkaerr.TopicError{Topic: tp.Topic, Err: fmt.Errorf("the response of broker %d lacks partition %d: %w", leader, tp.Partition, wire.UnknownTopicOrPartition)}
}

func ask(ctx context.Context, c Client, leader int32, at int64, uncommitted bool, tps []wire.TopicPartition) (*kmsg.ListOffsetsResponse, error) {
	if leader < 0 {
		return nil, troubleOf(tps[0], wire.LeaderNotAvailable)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = isolation(uncommitted)
	index := map[string]int{}
	for _, tp := range tps {
		i, ok := index[tp.Topic]
		if !ok {
			i = len(req.Topics)
			index[tp.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = tp.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(tp.Partition), at
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	r, err := c.Broker(ctx, leader, req)
	if err != nil {
		return nil, err
	}
	return r.(*kmsg.ListOffsetsResponse), nil
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
