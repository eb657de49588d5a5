package group

import (
	"maps"
	"slices"
)

// assignRoundRobin is Java's RoundRobinAssignor: all partitions in the order of their topics are
// dealt out in turn, passing over members that do not subscribe.
func assignRoundRobin(peers []peer, counts map[string]int32) plan {
	p := newPlan(peers)
	subs := subscribers(peers, counts)
	turn := 0
	for _, topic := range slices.Sorted(maps.Keys(subs)) {
		for partition := range counts[topic] {
			for !slices.Contains(peers[turn].topics, topic) {
				turn = (turn + 1) % len(peers)
			}
			p[peers[turn].id] = append(p[peers[turn].id], TP{topic, partition})
			turn = (turn + 1) % len(peers)
		}
	}
	return p
}
