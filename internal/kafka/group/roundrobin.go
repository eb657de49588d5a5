package group

import (
	"maps"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// assignRoundRobin is Java's RoundRobinAssignor: it assigns all partitions, in the order of their
// topics, to the members in turn, and skips members that do not subscribe.
func assignRoundRobin(peers []peer, counts map[string]int32) plan {
	p := newPlan(peers)
	subs := subscribers(peers, counts)
	next := 0
	for _, topic := range slices.Sorted(maps.Keys(subs)) {
		for partition := range counts[topic] {
			for !slices.Contains(peers[next].topics, topic) {
				next = (next + 1) % len(peers)
			}
			p[peers[next].id] = append(p[peers[next].id], wire.PartitionOf(topic, partition))
			next = (next + 1) % len(peers)
		}
	}
	return p
}
