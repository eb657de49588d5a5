package group

import (
	"slices"
	"strings"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// Balancer names a strategy that assigns a group's partitions to its members. All members of a
// group need one in common; the group uses the one that most of them prefer.
type Balancer string

const (
	// CooperativeSticky keeps partitions with their members as far as balance allows, and moves the
	// others without stopping those that stay (KIP-429).
	CooperativeSticky Balancer = "cooperative-sticky"
	// Sticky gives the same assignment, but eagerly: every rebalance stops every partition.
	Sticky Balancer = "sticky"
	// Range gives each member a consecutive range of each topic, so that topics with the same
	// partitioning are assigned alike. Eager.
	Range Balancer = "range"
	// RoundRobin assigns the partitions of all topics to the members in turn. Eager.
	RoundRobin Balancer = "roundrobin"
)

// peer is a member of the group as its leader sees it.
type peer struct {
	id         string
	instance   string                // group.instance.id, empty without
	topics     []string              // sorted, no duplicates
	owned      []wire.TopicPartition // partitions that it claims to hold
	generation int32                 // generation of that claim; -1: none given
}

// plan holds the partitions of each member, by id. Every member has an entry.
type plan map[string][]wire.TopicPartition

// assign distributes the partitions of counts over peers. It is a pure function, so every leader
// arrives at the same plan.
func assign(b Balancer, peers []peer, counts map[string]int32) plan {
	peers = slices.Clone(peers)
	slices.SortFunc(peers, comparePeers)
	var p plan
	switch b {
	case Range:
		p = assignRange(peers, counts)
	case RoundRobin:
		p = assignRoundRobin(peers, counts)
	case Sticky:
		p = assignSticky(peers, counts)
	default:
		p = withhold(assignSticky(peers, counts), peers)
	}
	for _, tps := range p {
		slices.SortFunc(tps, wire.TopicPartition.Compare)
	}
	return p
}

// comparePeers orders as Java's AbstractPartitionAssignor.MemberInfo: static members first, by
// instance id, then the others by member id. Range and round robin assign in this order, so it must
// be the same in every client.
func comparePeers(a, b peer) int {
	switch {
	case a.instance != "" && b.instance != "":
		return strings.Compare(a.instance, b.instance)
	case a.instance != "":
		return -1
	case b.instance != "":
		return 1
	}
	return strings.Compare(a.id, b.id)
}

func newPlan(peers []peer) plan {
	p := make(plan, len(peers))
	for i := range peers {
		p[peers[i].id] = nil
	}
	return p
}

// subscribers returns, for each existing topic, the indexes of the peers that subscribe to it, in
// the order of peers.
func subscribers(peers []peer, counts map[string]int32) map[string][]int {
	subs := make(map[string][]int)
	for i := range peers {
		for _, t := range peers[i].topics {
			if counts[t] > 0 {
				subs[t] = append(subs[t], i)
			}
		}
	}
	return subs
}
