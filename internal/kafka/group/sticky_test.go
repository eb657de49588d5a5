package group

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

func TestSticky(t *testing.T) {
	t.Run("is balanced for any subscriptions", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
			w.claim(t)
			w.checkBalanced(t, assign(Sticky, w.peers, w.counts))
		})
	})
	t.Run("moves only the partitions that balance needs", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t, true)
			old := assign(Sticky, w.peers, w.counts)
			w.adopt(old, 1)
			if same := assign(Sticky, w.peers, w.counts); !reflect.DeepEqual(old, same) {
				t.Fatalf("nothing changed, but %v became %v", old, same)
			}
			leaving := rapid.IntRange(0, 1).Draw(t, "leaves")
			w.peers = w.peers[min(leaving, len(w.peers)-1):]
			for i := range rapid.IntRange(0, 2).Draw(t, "joins") {
				w.peers = append(w.peers, peer{id: fmt.Sprintf("n%d", i), topics: w.peers[0].topics, generation: -1})
			}
			total := 0
			for _, n := range w.counts {
				total += int(n)
			}
			least, most := total/len(w.peers), (total+len(w.peers)-1)/len(w.peers)
			// this many members may hold one more than the least
			mayKeepMost := total - least*len(w.peers)
			var loads []int
			for _, p := range w.peers {
				loads = append(loads, len(p.owned))
			}
			slices.Sort(loads)
			slices.Reverse(loads)
			must := 0
			for i, n := range loads {
				allowed := least
				if i < mayKeepMost {
					allowed = most
				}
				must += max(0, n-allowed)
			}
			p, moved := assign(Sticky, w.peers, w.counts), 0
			for _, peer := range w.peers {
				for _, tp := range peer.owned {
					if !slices.Contains(p[peer.id], tp) {
						moved++
					}
				}
			}
			if moved != must {
				t.Fatalf("%d partitions moved, want %d: loads %v of %d", moved, must, loads, total)
			}
		})
	})
	// Of two partitions that could move to b, the unclaimed one moves.
	t.Run("moves unclaimed partitions before claimed ones", func(t *testing.T) {
		tps := func(topic string, from, to int32) (out []wire.TopicPartition) {
			for p := from; p < to; p++ {
				out = append(out, wire.PartitionOf(topic, p))
			}
			return out
		}
		p := assign(Sticky, []peer{
			{id: "a", topics: []string{"t0", "t1"}, owned: tps("t0", 1, 2), generation: 1},
			{id: "b", topics: []string{"t0", "t2"}, owned: tps("t2", 0, 2), generation: 1},
			{id: "c", topics: []string{"t1"}, owned: tps("t1", 0, 4), generation: 1},
		}, map[string]int32{"t0": 2, "t1": 6, "t2": 2})
		if want := append(tps("t0", 1, 2), tps("t1", 4, 6)...); !reflect.DeepEqual(p["a"], want) {
			t.Errorf("a has %v, want %v", p["a"], want)
		}
	})
	t.Run("ignores claims of older generations", func(t *testing.T) {
		both := []wire.TopicPartition{wire.PartitionOf("t", 0), wire.PartitionOf("t", 1)}
		p := assign(Sticky, []peer{
			{id: "a", topics: []string{"t"}, owned: both, generation: 4},
			{id: "b", topics: []string{"t"}, owned: both[:1], generation: 5},
			{id: "c", topics: []string{"t"}, owned: both[1:], generation: 5},
		}, map[string]int32{"t": 2})
		if want := (plan{"a": nil, "b": both[:1], "c": both[1:]}); !reflect.DeepEqual(p, want) {
			t.Errorf("got %v, want %v", p, want)
		}
	})
	// The cost of a move depends on the number of kinds of topics. With a cost per topic, the leader of
	// a group of 2,000 topics that doubled took 64 s.
	t.Run("treats topics with the same subscribers as one kind", func(t *testing.T) {
		counts, all := map[string]int32{}, []string{}
		for i := range 2000 {
			all = append(all, fmt.Sprintf("t%04d", i))
			counts[all[i]] = 3
		}
		b := newBoard([]peer{{id: "a", topics: all}, {id: "b", topics: all}, {id: "c", topics: all[:500]}}, counts)
		if len(b.kinds) != 2 || len(b.kinds[0].topics) != 500 || len(b.kinds[1].topics) != 1500 {
			t.Errorf("%d kinds, want one of 500 topics and one of 1,500", len(b.kinds))
		}
	})
}

// This simulates a cooperative group. Members hold their assignment, release what it lacks, and
// rejoin; some miss a rebalance and keep their claims.
func TestCooperativeWaitsForRelease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
		w.claim(t)
		for i := range w.peers { // a partition that does not exist or is not read cannot be held
			w.peers[i].owned = slices.DeleteFunc(w.peers[i].owned, func(tp wire.TopicPartition) bool {
				return !w.reads(w.peers[i].id, tp.Topic) || tp.Partition >= int(w.counts[tp.Topic])
			})
		}
		for generation := int32(10); ; generation++ {
			if generation > 15 {
				t.Fatalf("no stable assignment: %v", w.peers)
			}
			p := assign(CooperativeSticky, w.peers, w.counts)
			w.checkValid(t, p, false)
			for i := range w.peers {
				for _, tp := range p[w.peers[i].id] {
					if slices.Contains(w.peers[i].owned, tp) {
						continue
					}
					for j := range w.peers {
						if j != i && slices.Contains(w.peers[j].owned, tp) {
							t.Fatalf("%v was given to %s while %s may hold it: %v", tp, w.peers[i].id, w.peers[j].id, w.peers)
						}
					}
				}
			}
			released := false
			for i := range w.peers {
				for _, tp := range w.peers[i].owned {
					released = released || !slices.Contains(p[w.peers[i].id], tp)
				}
			}
			w.adopt(p, generation)
			if !released {
				w.checkValid(t, p, true)
				w.checkBalanced(t, p)
				return
			}
		}
	})
}
