package group

import "github.com/laneway-go/laneway/internal/kafka/wire"

// claim is a peer's claim to hold a partition, in the latest generation with such a claim.
type claim struct {
	peer       int // index; the first one if several claim it in the same generation
	generation int32
	disputed   bool // several claim it in that generation
}

// claims finds the holder of each partition. A member that missed rebalances may still claim a
// partition that has long moved to another. So only the claim of the highest generation counts
// (KIP-792).
func claims(peers []peer) map[wire.TopicPartition]claim {
	held := make(map[wire.TopicPartition]claim)
	for i := range peers {
		for _, tp := range peers[i].owned {
			c, ok := held[tp]
			switch {
			case !ok || peers[i].generation > c.generation:
				held[tp] = claim{peer: i, generation: peers[i].generation}
			case peers[i].generation == c.generation && c.peer != i:
				c.disputed = true
				held[tp] = c
			}
		}
	}
	return held
}

// withhold makes a plan cooperative. It assigns a moving partition to no member while another may
// still hold it. That member sees the partition missing from its assignment, releases it and
// rejoins; the next rebalance assigns it.
//
// A member keeps each partition it holds by the latest claim, even if others make older claims.
// Those members release it, since their assignments lack it. Every other claimed partition waits,
// however old the claim, since the claimant may still be working on it.
func withhold(p plan, peers []peer) plan {
	latest := claims(peers)
	for i := range peers {
		given := p[peers[i].id]
		kept := given[:0]
		for _, tp := range given {
			c, claimed := latest[tp]
			if !claimed || (c.peer == i && !c.disputed) {
				kept = append(kept, tp)
			}
		}
		p[peers[i].id] = kept
	}
	return p
}
