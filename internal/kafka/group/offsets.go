package group

import (
	"context"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// waitingAfter is how long partitions wait for their offsets before that is told.
const waitingAfter = 2 * time.Second

// committed reads the group's offsets of tps, -1 where there is none, and under which ids their
// topics are there now; each gets them as they are found. Offsets of a transaction in flight are
// waited for (require_stable, KIP-447): an older one would be read twice. It gives up where the
// term ends, or released is closed.
func (m *Member) committed(ctx context.Context, t *term, tps []TP, released <-chan struct{}, each func(map[TP]Position) error) error {
	open, told := slices.Clone(tps), false
	defer func() {
		if told {
			m.cfg.OnWaiting(open, nil)
		}
	}()
	began := time.Now()
	for try := 0; ; try++ {
		found := make(map[TP]Position, len(open))
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
		open = slices.DeleteFunc(open, func(tp TP) bool { _, ok := found[tp]; return ok })
		if len(open) == 0 {
			return nil
		}
		m.event("retry", "committed offsets are not to be had yet; trying again", err)
		if told = time.Since(began) >= waitingAfter || wire.Fatal(err); told {
			m.cfg.OnWaiting(open, err)
		}
		timer := time.NewTimer(retryWait(try))
		select {
		case <-timer.C:
		case <-t.rejoin:
		case <-t.lost:
		case <-released:
		case <-ctx.Done():
		}
		timer.Stop()
		select {
		case <-t.rejoin:
			return nil
		case <-t.lost:
			return nil
		case <-released:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
	}
}

// fetchOffsets is one OffsetFetch; it puts what it learns into found. Topics that are not in ids
// are left for another time.
func (m *Member) fetchOffsets(ctx context.Context, ids map[string][16]byte, tps []TP, found map[TP]Position) (worst class, why error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = m.cfg.Group, true
	group := kmsg.NewOffsetFetchRequestGroup() // v8 and later; before, the fields beside it
	group.Group = m.cfg.Group
	for _, t := range byTopic(tps) {
		id, there := ids[t.topic]
		if !there {
			worst, why = classRetry, &RetriableError{Group: m.cfg.Group, Op: "fetch committed offsets of " + t.topic, Err: wire.UnknownTopicOrPartition}
			continue
		}
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = t.topic, t.partitions
		req.Topics = append(req.Topics, old)
		now := kmsg.NewOffsetFetchRequestGroupTopic()
		now.Topic, now.TopicID, now.Partitions = t.topic, id, t.partitions
		group.Topics = append(group.Topics, now)
	}
	if len(req.Topics) == 0 {
		return worst, why
	}
	req.Groups = append(req.Groups, group)
	names := namesOf(ids)
	var sent kmsg.Request = req
	if names == nil {
		sent = wire.Capped{Request: req, Max: wire.FetchesOffsetsByName}
	}
	resp, err := ask[*kmsg.OffsetFetchResponse](ctx, rpcTimeout, m.cfg.Requester.Group, m.cfg.Group, sent)
	if c, err := m.refusal("fetch committed offsets", codeOf(resp, err), err); c != classOK {
		return c, err
	}
	note := func(topic string, partition int32, offset int64, epoch int32, metadata *string, code int16) {
		if kafka.Error(code) == kafka.UnknownTopicOrPartition {
			code, offset = 0, -1 // nothing is committed for what was not there
		}
		c, err := m.refusal("fetch committed offsets of "+topic, code, nil)
		// that topic's partitions wait, not the others
		if kafka.Error(code) == kafka.TopicAuthorizationFailed {
			c, err = classRetry, &kafkaerr.TopicError{Topic: topic, Err: wire.TopicAuthorization}
		}
		if c == classOK {
			id, state := wire.ReadNote(metadata)
			found[TP{topic, partition}] = Position{Offset: offset, TopicID: ids[topic], StoredFor: id, State: state, LeaderEpoch: epoch}
		} else if c > worst {
			worst, why = c, err
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			note(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		if c, err := m.refusal("fetch committed offsets", g.ErrorCode, nil); c > worst {
			worst, why = c, err
		}
		for _, t := range g.Topics {
			topic := t.Topic
			if resp.Version > wire.FetchesOffsetsByName {
				topic = names[t.TopicID]
			}
			for _, p := range t.Partitions {
				note(topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
	}
	return worst, why
}
