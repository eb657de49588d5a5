package group

import (
	"context"
	"maps"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// outdated reports whether a returning static member got an assignment for its earlier
// subscription. The coordinator keeps the old assignment whatever the new subscription, so a topic
// new to it would have no reader until the next rebalance.
func (m *Member) outdated(ctx context.Context, assigned []wire.TopicPartition) bool {
	counts, err := m.counts(ctx, m.cfg.Topics)
	if err != nil {
		m.event("retry", "cannot check whether the old assignment fits the subscription", err)
		return false
	}
	for _, tp := range assigned {
		if tp.Partition == 0 {
			delete(counts, tp.Topic) // it has a reader
		}
	}
	if len(counts) == 0 {
		return false
	}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{m.cfg.Group}
	resp, _, err := m.ask[*kmsg.DescribeGroupsResponse](ctx, "describe", rpcTimeout, m.cfg.Requester.Group, req)
	if err != nil || len(resp.Groups) != 1 || resp.Groups[0].State != "Stable" {
		return false // a rebalance is coming anyway, or the leader finds out
	}
	for _, member := range resp.Groups[0].Members {
		tps, err := readAssignment(member.MemberAssignment)
		if err != nil {
			return false
		}
		maps.DeleteFunc(counts, func(topic string, _ int32) bool {
			for _, tp := range tps {
				if tp.Topic == topic {
					return true
				}
			}
			return false
		})
	}
	return len(counts) > 0
}
