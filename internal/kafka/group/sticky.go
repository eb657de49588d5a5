package group

import (
	"maps"
	"slices"
)

// assignSticky leaves partitions where they are as far as balance allows.
//
// It starts from what is claimed, gives what nobody holds to the least loaded subscriber, and then shifts partitions, one at a time, from a
// loaded member to one that has at least two fewer, directly or through others (a gives b a partition of one topic, b gives c one of another:
// that is how differing subscriptions are balanced). When no such chain is left the loads are as even as the subscriptions allow, and only what
// had to move has moved.
func assignSticky(peers []peer, counts map[string]int32) plan {
	b := newBoard(peers, counts)
	b.placeClaimed()
	b.placeFree()
	for b.shift() {
	}
	p := newPlan(peers)
	for i := range peers {
		for _, topic := range slices.Sorted(maps.Keys(b.holds[i])) {
			for _, partition := range b.holds[i][topic] {
				p[peers[i].id] = append(p[peers[i].id], TP{topic, partition})
			}
		}
	}
	return p
}

// board is an assignment being worked out.
type board struct {
	peers  []peer
	counts map[string]int32
	subs   map[string][]int   // topic → peers that subscribe
	topics []string           // sorted
	claims map[TP]claim       // who held what
	holds  []map[string]parts // per peer: topic → partitions
	load   []int              // per peer: partitions held
}

type parts []int32

func newBoard(peers []peer, counts map[string]int32) *board {
	b := &board{peers: peers, counts: counts, subs: subscribers(peers, counts), claims: claims(peers)}
	b.topics = slices.Sorted(maps.Keys(b.subs))
	b.load = make([]int, len(peers))
	b.holds = make([]map[string]parts, len(peers))
	for i := range b.holds {
		b.holds[i] = make(map[string]parts)
	}
	return b
}

func (b *board) give(i int, tp TP) {
	b.holds[i][tp.Topic] = append(b.holds[i][tp.Topic], tp.Partition)
	b.load[i]++
}

// placeClaimed leaves each partition with its claimant, where it still subscribes.
func (b *board) placeClaimed() {
	for _, topic := range b.topics {
		for partition := range b.counts[topic] {
			tp := TP{topic, partition}
			if c, ok := b.claims[tp]; ok && slices.Contains(b.subs[topic], c.peer) {
				b.give(c.peer, tp)
			}
		}
	}
}

// placeFree gives the rest to whoever has least, topics with the fewest subscribers first: they have the least choice.
func (b *board) placeFree() {
	order := slices.Clone(b.topics)
	slices.SortStableFunc(order, func(x, y string) int { return len(b.subs[x]) - len(b.subs[y]) })
	for _, topic := range order {
		subs := b.subs[topic]
		for partition := range b.counts[topic] {
			tp := TP{topic, partition}
			if c, ok := b.claims[tp]; ok && slices.Contains(subs, c.peer) {
				continue
			}
			least := subs[0]
			for _, s := range subs[1:] {
				if b.load[s] < b.load[least] {
					least = s
				}
			}
			b.give(least, tp)
		}
	}
}

// shift moves one partition's worth of load from the most loaded peer that can shed it, and reports whether there was one.
func (b *board) shift() bool {
	order := make([]int, len(b.peers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return b.load[y] - b.load[x] })
	lowest := b.load[order[len(order)-1]]
	for _, from := range order {
		if b.load[from] < lowest+2 {
			return false // and so are all after it
		}
		if b.shed(from) {
			return true
		}
	}
	return false
}

// shed looks, nearest first, for the least loaded peer that a chain of gifts from "from" reaches, and makes the gifts if it evens the load.
func (b *board) shed(from int) bool {
	type step struct {
		giver int
		topic string
	}
	via := map[int]step{from: {giver: -1}}
	asked := make(map[string]bool)
	queue := []int{from}
	to := -1
	for len(queue) > 0 {
		giver := queue[0]
		queue = queue[1:]
		for _, topic := range b.topics {
			if asked[topic] || len(b.holds[giver][topic]) == 0 {
				continue
			}
			asked[topic] = true
			for _, taker := range b.subs[topic] {
				if _, seen := via[taker]; seen {
					continue
				}
				via[taker] = step{giver, topic}
				queue = append(queue, taker)
				if to < 0 || b.load[taker] < b.load[to] {
					to = taker
				}
			}
		}
	}
	if to < 0 || b.load[from] < b.load[to]+2 {
		return false
	}
	for to != from {
		s := via[to]
		b.move(s.giver, to, s.topic)
		to = s.giver
	}
	return true
}

// move gives away the partition of topic that came last: what was claimed came first, so that one disturbs nobody, if there is one.
func (b *board) move(from, to int, topic string) {
	held := b.holds[from][topic]
	last := len(held) - 1
	b.holds[from][topic] = held[:last]
	b.load[from]--
	b.give(to, TP{topic, held[last]})
}
