package group

// claim is who says to hold a partition, in the latest generation in which anybody does.
type claim struct {
	peer       int // index; of several in the same generation, the first
	generation int32
	disputed   bool // several claim it in that generation
}

// claims settles who holds what. A member that missed rebalances may still claim what has long been
// given to another: only the claim of the highest generation counts (KIP-792).
func claims(peers []peer) map[TP]claim {
	held := make(map[TP]claim)
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

// withhold makes a plan cooperative: a partition that moves is given to nobody yet while another
// member may still hold it. That member sees it missing from its assignment, releases it and joins
// again; the rebalance after that gives it away.
//
// What a member holds by the latest claim it keeps, even if others make older claims: those release
// it by not being given it. Every other partition that anybody claims, however old the claim,
// waits: its claimant may be working on it still.
func withhold(p plan, peers []peer) plan {
	held := claims(peers)
	for i := range peers {
		given := p[peers[i].id]
		kept := given[:0]
		for _, tp := range given {
			c, claimed := held[tp]
			if !claimed || (c.peer == i && !c.disputed) {
				kept = append(kept, tp)
			}
		}
		p[peers[i].id] = kept
	}
	return p
}
