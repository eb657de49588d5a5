package group

import (
	"context"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committed reads the group's offsets of tps, -1 where there is none. Offsets of a transaction in flight are waited for (require_stable,
// KIP-447): an older one would be read twice. If the term ends meanwhile it gives nil without an error.
func (m *Member) committed(ctx context.Context, t *term, tps []TP) (map[TP]int64, error) {
	found := make(map[TP]int64, len(tps))
	open := slices.Clone(tps)
	for try := 0; ; try++ {
		c, err := m.fetchOffsets(ctx, open, found)
		if c == classFatal {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(tp TP) bool { _, ok := found[tp]; return ok })
		if len(open) == 0 {
			return found, nil
		}
		m.event("retry", "committed offsets are not to be had yet; trying again", err)
		select {
		case <-t.rejoin:
			return nil, nil
		case <-t.lost:
			return nil, nil
		default:
		}
		if !pause(ctx, backoff(try)) {
			return nil, nil
		}
	}
}

// fetchOffsets is one OffsetFetch; it puts what it learns into found.
func (m *Member) fetchOffsets(ctx context.Context, tps []TP, found map[TP]int64) (class, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = m.cfg.Group, true
	group := kmsg.NewOffsetFetchRequestGroup() // v8 and later; before, the fields beside it
	group.Group = m.cfg.Group
	for _, t := range byTopic(tps) {
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = t.topic, t.partitions
		req.Topics = append(req.Topics, old)
		now := kmsg.NewOffsetFetchRequestGroupTopic()
		now.Topic, now.Partitions = t.topic, t.partitions
		group.Topics = append(group.Topics, now)
	}
	req.Groups = append(req.Groups, group)
	resp, err := ask[*kmsg.OffsetFetchResponse](ctx, rpcTimeout, m.cfg.Requester.Group, m.cfg.Group, capped{req, 9})
	worst, why := m.refusal("fetch committed offsets", codeOf(resp, err), err)
	if worst != classOK {
		return worst, why
	}
	note := func(topic string, partition int32, offset int64, code int16) {
		if kafka.Error(code) == kafka.UnknownTopicOrPartition {
			code, offset = 0, -1 // nothing is committed for what was not there
		}
		c, err := m.refusal("fetch committed offsets of "+topic, code, nil)
		if c == classOK {
			found[TP{topic, partition}] = offset
		} else if c > worst {
			worst, why = c, err
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			note(t.Topic, p.Partition, p.Offset, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		if c, err := m.refusal("fetch committed offsets", g.ErrorCode, nil); c > worst {
			worst, why = c, err
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				note(t.Topic, p.Partition, p.Offset, p.ErrorCode)
			}
		}
	}
	return worst, why
}
