package group

import (
	"cmp"
	"slices"
	"strings"
)

// Balancer names how the partitions of a group are spread over its members. All members of a group
// must have one in common; the group uses the one that most of them prefer.
type Balancer string

const (
	// CooperativeSticky keeps partitions where they are as far as balance allows, and moves them
	// without stopping the others (KIP-429).
	CooperativeSticky Balancer = "cooperative-sticky"
	// Sticky is the same assignment, but every rebalance stops every partition (eager).
	Sticky Balancer = "sticky"
	// Range gives each member a consecutive run of each topic, so that topics partitioned alike are
	// assigned alike. Eager.
	Range Balancer = "range"
	// RoundRobin deals the partitions of all topics out in turn. Eager.
	RoundRobin Balancer = "roundrobin"
)

// TP names a partition.
type TP struct {
	Topic     string
	Partition int32
}

func compareTP(a, b TP) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return cmp.Compare(a.Partition, b.Partition)
}

// peer is a member of the group as its leader sees it.
type peer struct {
	id         string
	instance   string   // group.instance.id, empty without
	topics     []string // sorted, no duplicates
	owned      []TP     // what it says it holds
	generation int32    // the generation in which it held that, -1 if it did not say
}

// plan is what each member, by id, is given. Every member has an entry.
type plan map[string][]TP

// assign spreads the partitions of counts over peers. It is a pure function: whoever leads comes to
// the same plan.
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
		slices.SortFunc(tps, compareTP)
	}
	return p
}

// comparePeers is the order of Java's AbstractPartitionAssignor.MemberInfo: static members first,
// by instance id, then the others by member id. Range and roundrobin deal in this order, so it must
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

// subscribers gives, for each topic that exists, the indexes of the peers that subscribe to it, in
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
