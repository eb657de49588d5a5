package group

import (
	"context"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// waitingAfter is how long partitions wait for their offsets before that is reported.
const waitingAfter = 2 * time.Second

// committed fetches the group's offsets of tps, -1 for none, and the current ids of their topics.
// It passes them to each as they are found. It waits for the offsets of a transaction in flight
// (require_stable, KIP-447), since an older offset would read records twice. It gives up when the
// term ends or released is closed.
func (m *Member) committed(ctx context.Context, t *term, tps []wire.TopicPartition, released <-chan struct{}, each func(map[wire.TopicPartition]Position) error) error {
	open, reported := slices.Clone(tps), false
	defer func() {
		if reported {
			m.cfg.OnWaiting(open, nil)
		}
	}()
	start := time.Now()
	for try := 1; ; try++ {
		found := make(map[wire.TopicPartition]Position, len(open))
		ids, err := m.ids(ctx, open)
		c := classRetry
		if err == nil {
			c, err = m.fetchOffsets(ctx, ids, open, found)
		}
		if c == classFatal {
			return err
		}
		if len(found) > 0 {
			if err := each(found); err != nil {
				return err
			}
		}
		open = slices.DeleteFunc(open, func(tp wire.TopicPartition) bool { _, ok := found[tp]; return ok })
		if len(open) == 0 {
			return nil
		}
		m.event("retry", "committed offsets are not available yet; retrying", err)
		if reported = time.Since(start) >= waitingAfter || wire.Fatal(err); reported {
			m.cfg.OnWaiting(open, err)
		}
		select {
		case <-time.After(retries.Wait(try)):
		case <-t.rejoin:
			return nil
		case <-t.lost:
			return nil
		case <-released:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// fetchOffsets sends one OffsetFetch and adds the results to found. It leaves out topics that are
// not in ids; a retry fetches them.
func (m *Member) fetchOffsets(ctx context.Context, ids map[string][16]byte, tps []wire.TopicPartition, found map[wire.TopicPartition]Position) (worst class, reason error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = m.cfg.Group, true
	group := kmsg.NewOffsetFetchRequestGroup() // v8 and later; before, the fields beside it
	group.Group = m.cfg.Group
	for _, t := range wire.ByTopic(tps) {
		id, there := ids[t.Topic]
		if !there {
			worst, reason = classRetry, &RetriableError{Group: m.cfg.Group, Op: "fetch committed offsets of " + t.Topic, Err: wire.UnknownTopicOrPartition}
			continue
		}
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = t.Topic, t.Partitions
		req.Topics = append(req.Topics, old)
		now := kmsg.NewOffsetFetchRequestGroupTopic()
		now.Topic, now.TopicID, now.Partitions = t.Topic, id, t.Partitions
		group.Topics = append(group.Topics, now)
	}
	if len(req.Topics) == 0 {
		return worst, reason
	}
	req.Groups = append(req.Groups, group)
	names := namesOf(ids)
	var sent kmsg.Request = req
	if names == nil {
		sent = wire.Capped{Request: req, Max: wire.FetchesOffsetsByName}
	}
	resp, c, err := m.ask[*kmsg.OffsetFetchResponse](ctx, "fetch committed offsets", rpcTimeout, m.cfg.Requester.Group, sent)
	if c != classOK {
		return c, err
	}
	note := func(topic string, partition int32, offset int64, epoch int32, metadata *string, code wire.Code) {
		if code == wire.UnknownTopicOrPartition {
			code, offset = wire.None, -1 // a missing partition has no committed offset
		}
		c, err := m.refusal("fetch committed offsets of "+topic, code)
		if code.OfPartition() { // it waits alone
			c, err = classRetry, &kafkaerr.TopicError{Topic: topic, Err: code}
		}
		if c == classOK {
			id, state := wire.ReadNote(metadata)
			found[wire.PartitionOf(topic, partition)] = Position{Offset: offset, TopicID: ids[topic], StoredFor: id, State: state, LeaderEpoch: epoch}
		} else if c > worst {
			worst, reason = c, err
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			note(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, wire.Code(p.ErrorCode))
		}
	}
	for _, g := range resp.Groups {
		if c, err := m.refusal("fetch committed offsets", wire.Code(g.ErrorCode)); c > worst {
			worst, reason = c, err
		}
		for _, t := range g.Topics {
			topic := t.Topic
			if resp.Version > wire.FetchesOffsetsByName {
				topic = names[t.TopicID]
			}
			for _, p := range t.Partitions {
				note(topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, wire.Code(p.ErrorCode))
			}
		}
	}
	return worst, reason
}
