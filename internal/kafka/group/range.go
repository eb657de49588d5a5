package group

import "github.com/laneway-go/laneway/internal/kafka/wire"

// assignRange is Java's RangeAssignor: per topic, each member in order takes a consecutive range,
// and the first n%members of them take one more.
func assignRange(peers []peer, counts map[string]int32) plan {
	p := newPlan(peers)
	for topic, subs := range subscribers(peers, counts) {
		each, extra := int(counts[topic])/len(subs), int(counts[topic])%len(subs)
		next := int32(0)
		for i, s := range subs {
			n := each
			if i < extra {
				n++
			}
			for range n {
				p[peers[s].id] = append(p[peers[s].id], wire.PartitionOf(topic, next))
				next++
			}
		}
	}
	return p
}
