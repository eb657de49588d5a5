package group

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// watch is the state that a leader watches during its term.
type watch struct {
	topics []string // of all members
	// partition counts at the assignment; nil: unknown, because another leader assigned them
	counts map[string]int32
}

// lead computes the whole group's assignment from the members' subscriptions.
//
// A static leader that rejoins under its old membership is told to skip this (KIP-814): nothing has
// changed for the group, and its assignment stays valid.
func (m *Member) lead(ctx context.Context, t *term, resp *kmsg.JoinGroupResponse) (*watch, []kmsg.SyncGroupRequestGroupAssignment, error) {
	peers := make([]peer, 0, len(resp.Members))
	seen := make(map[string]bool)
	w := &watch{}
	for i := range resp.Members {
		if seen[resp.Members[i].MemberID] {
			continue
		}
		seen[resp.Members[i].MemberID] = true
		p, err := readSubscription(t.balancer, &resp.Members[i])
		if err != nil {
			m.event("topics", "a member's subscription cannot be read", err)
		}
		peers = append(peers, p)
		w.topics = append(w.topics, p.topics...)
	}
	w.topics = slices.Compact(slices.Sorted(slices.Values(w.topics)))
	if resp.SkipAssignment {
		return w, nil, nil
	}
	// The group waits for this assignment only for the rebalance timeout, so look the topics up within
	// half of it or start over.
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RebalanceTimeout/2)
	defer cancel()
	for try := 1; ; try++ {
		counts, err := m.counts(ctx, w.topics)
		if err == nil {
			w.counts = counts
			return w, encodePlan(assign(t.balancer, peers, counts)), nil
		}
		m.event("retry", "the leader cannot count the topics' partitions; retrying", err)
		if !retries.Pause(ctx, try) {
			return nil, nil, &RetriableError{Group: m.cfg.Group, Op: "assign as leader", Err: err}
		}
	}
}

// counts returns the partition counts of the existing topics.
func (m *Member) counts(ctx context.Context, topics []string) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	counts, err := m.cfg.Partitions(ctx, topics)
	if err != nil {
		return nil, err
	}
	counts = maps.Clone(counts)
	maps.DeleteFunc(counts, func(topic string, n int32) bool { return n <= 0 || !slices.Contains(topics, topic) })
	return counts, nil
}

// startWatch makes a leader check periodically whether topics have grown, appeared or gone, and
// rebalance if so. No broker reports that to a group.
func (m *Member) startWatch(t *term, w *watch) {
	ctx, cancel := context.WithCancel(context.Background())
	stop := t.stop
	t.stop = func() { cancel(); stop() }
	t.wg.Go(func() {
		for backoff.Pause(ctx, m.cfg.TopicsInterval) {
			counts, err := m.counts(ctx, w.topics)
			switch {
			case err != nil:
				if ctx.Err() == nil {
					m.event("topics", "the leader cannot count the topics' partitions; retrying", err)
				}
			case w.counts == nil:
				w.counts = counts
			case !maps.Equal(counts, w.counts):
				m.event("topics", fmt.Sprintf("partition counts changed from %v to %v: rebalancing", w.counts, counts), nil)
				t.askRejoin()
				return
			}
		}
	})
}
