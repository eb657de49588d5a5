package group

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// assignSticky keeps partitions with their members as far as balance allows.
//
// It starts from the claims and gives unclaimed partitions to the least loaded subscriber. Then it
// shifts partitions, one at a time, from a loaded member to one with at least two fewer, directly
// or through others (a gives b a partition of one topic, b gives c one of another), which balances
// different subscriptions. When no such chain is left, the loads are as even as the subscriptions
// allow, and only the necessary partitions have moved.
//
// Topics with the same subscribers are treated alike, as one kind. The cost of a move depends on
// the number of members and kinds, not of topics.
func assignSticky(peers []peer, counts map[string]int32) plan {
	b := newBoard(peers, counts)
	b.placeClaimed()
	b.placeFree()
	for b.shift() {
	}
	p := newPlan(peers)
	for i := range peers {
		p[peers[i].id] = slices.Concat(b.holds[i]...)
	}
	return p
}

// board is an assignment in progress. Peers are identified by index.
type board struct {
	counts map[string]int32
	kinds  []kind
	claims map[wire.TopicPartition]claim // earlier holders
	holds  [][][]wire.TopicPartition     // per peer and kind: partitions, claimed ones first
	load   []int                         // per peer: number of partitions
	route  []step                        // scratch space of reach
}

// kind is a set of topics with the same subscribers.
type kind struct {
	subs   []int    // peers that subscribe
	topics []string // sorted
}

// step is how reach arrived at a peer.
type step struct {
	seen  bool
	giver int
	kind  int
}

func newBoard(peers []peer, counts map[string]int32) *board {
	b := &board{counts: counts, claims: claims(peers), load: make([]int, len(peers)), route: make([]step, len(peers))}
	subs, index := subscribers(peers, counts), map[string]int{}
	for _, topic := range slices.Sorted(maps.Keys(subs)) {
		var name []byte
		for _, s := range subs[topic] {
			name = binary.AppendUvarint(name, uint64(s))
		}
		k, ok := index[string(name)]
		if !ok {
			k = len(b.kinds)
			index[string(name)] = k
			b.kinds = append(b.kinds, kind{subs: subs[topic]})
		}
		b.kinds[k].topics = append(b.kinds[k].topics, topic)
	}
	b.holds = make([][][]wire.TopicPartition, len(peers))
	for i := range b.holds {
		b.holds[i] = make([][]wire.TopicPartition, len(b.kinds))
	}
	return b
}

func (b *board) give(i, kind int, tp wire.TopicPartition) {
	b.holds[i][kind] = append(b.holds[i][kind], tp)
	b.load[i]++
}

// partitions yields the partitions of a kind, and the subscriber that claims each; -1: none.
func (b *board) partitions(k *kind) func(yield func(wire.TopicPartition, int) bool) {
	return func(yield func(wire.TopicPartition, int) bool) {
		for _, topic := range k.topics {
			for partition := range b.counts[topic] {
				tp, claimant := wire.PartitionOf(topic, partition), -1
				if c, ok := b.claims[tp]; ok && slices.Contains(k.subs, c.peer) {
					claimant = c.peer
				}
				if !yield(tp, claimant) {
					return
				}
			}
		}
	}
}

// placeClaimed leaves each partition with its claimant, if that still subscribes.
func (b *board) placeClaimed() {
	for n := range b.kinds {
		for tp, claimant := range b.partitions(&b.kinds[n]) {
			if claimant >= 0 {
				b.give(claimant, n, tp)
			}
		}
	}
}

// placeFree gives the other partitions to the least loaded subscribers, starting with the topics
// with the fewest subscribers, which have the least choice.
func (b *board) placeFree() {
	order := make([]int, len(b.kinds))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return len(b.kinds[x].subs) - len(b.kinds[y].subs) })
	for _, n := range order {
		k := &b.kinds[n]
		for tp, claimant := range b.partitions(k) {
			if claimant >= 0 {
				continue
			}
			least := k.subs[0]
			for _, s := range k.subs[1:] {
				if b.load[s] < b.load[least] {
					least = s
				}
			}
			b.give(least, n, tp)
		}
	}
}

// shift moves one partition's worth of load away from the most loaded peer that can shed it, and
// reports whether there was one.
func (b *board) shift() bool {
	lowest := slices.Min(b.load)
	tried := make([]bool, len(b.load))
	for {
		from := -1
		for i, n := range b.load {
			if !tried[i] && n >= lowest+2 && (from < 0 || n > b.load[from]) {
				from = i
			}
		}
		if from < 0 {
			return false
		}
		if b.shed(from, lowest) {
			return true
		}
		tried[from] = true
	}
}

// shed searches breadth-first for the least loaded peer that a chain of gifts from "from" reaches,
// and makes the gifts if that evens the load.
func (b *board) shed(from, lowest int) bool {
	to := b.reach(from, lowest)
	if to < 0 || b.load[from] < b.load[to]+2 {
		return false
	}
	for to != from {
		s := b.route[to]
		b.move(s.giver, to, s.kind)
		to = s.giver
	}
	return true
}

// reach finds that peer, -1 for none, and leaves the path to it in route. It stops at the first
// peer with the lowest load.
func (b *board) reach(from, lowest int) (to int) {
	clear(b.route)
	b.route[from].seen = true
	asked := make([]bool, len(b.kinds))
	to = -1
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		giver := queue[0]
		for n, held := range b.holds[giver] {
			if asked[n] || len(held) == 0 {
				continue
			}
			asked[n] = true
			for _, taker := range b.kinds[n].subs {
				if b.route[taker].seen {
					continue
				}
				b.route[taker] = step{true, giver, n}
				queue = append(queue, taker)
				if to < 0 || b.load[taker] < b.load[to] {
					if to = taker; b.load[to] == lowest {
						return to
					}
				}
			}
		}
	}
	return to
}

// move gives away the last partition of a kind. Claimed partitions come first, so an unclaimed one
// moves if there is one.
func (b *board) move(from, to, kind int) {
	held := b.holds[from][kind]
	last := len(held) - 1
	b.holds[from][kind] = held[:last]
	b.load[from]--
	b.give(to, kind, held[last])
}
