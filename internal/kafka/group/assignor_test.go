package group

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// world is a group to assign: topics, members, and what they say they hold.
type world struct {
	peers  []peer
	counts map[string]int32
}

func drawWorld(t *rapid.T, alike bool) world {
	w := world{counts: map[string]int32{}}
	var topics []string
	for i := range rapid.IntRange(1, 4).Draw(t, "topics") {
		topic := fmt.Sprintf("t%d", i)
		topics = append(topics, topic)
		w.counts[topic] = int32(rapid.IntRange(0, 12).Draw(t, "partitions"))
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "members") {
		p := peer{id: fmt.Sprintf("m%d", i), topics: topics, generation: int32(rapid.IntRange(-1, 3).Draw(t, "generation"))}
		if !alike {
			p.topics = slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom(topics), 0, len(topics), rapid.ID[string]).Draw(t, "subscribes")))
		}
		if rapid.Bool().Draw(t, "static") {
			p.instance = fmt.Sprintf("i%d", 9-i)
		}
		w.peers = append(w.peers, p)
	}
	return w
}

// claim has members claim partitions at random, also of topics they do not read, that do not exist, or that others claim too.
func (w *world) claim(t *rapid.T) {
	for i := range w.peers {
		for range rapid.IntRange(0, 8).Draw(t, "claims") {
			tp := TP{fmt.Sprintf("t%d", rapid.IntRange(0, 4).Draw(t, "topic")), int32(rapid.IntRange(0, 13).Draw(t, "partition"))}
			w.peers[i].owned = append(w.peers[i].owned, tp)
		}
	}
}

func (w *world) adopt(p plan, generation int32) {
	for i := range w.peers {
		w.peers[i].owned, w.peers[i].generation = slices.Clone(p[w.peers[i].id]), generation
	}
}

func (w *world) reads(id, topic string) bool {
	i := slices.IndexFunc(w.peers, func(p peer) bool { return p.id == id })
	return i >= 0 && slices.Contains(w.peers[i].topics, topic)
}

// checkValid: every partition somebody reads is given once (complete: exactly once), to a subscriber.
func (w *world) checkValid(t *rapid.T, p plan, complete bool) {
	given := map[TP]string{}
	for id, tps := range p {
		for _, tp := range tps {
			if other, twice := given[tp]; twice {
				t.Fatalf("%v is given to %s and %s", tp, other, id)
			}
			given[tp] = id
			if !w.reads(id, tp.Topic) || tp.Partition >= w.counts[tp.Topic] {
				t.Fatalf("%v is given to %s, which does not read it or it does not exist", tp, id)
			}
		}
	}
	want := 0
	for topic := range subscribers(w.peers, w.counts) {
		want += int(w.counts[topic])
	}
	if complete && len(given) != want {
		t.Fatalf("%d partitions are given, %d have readers", len(given), want)
	}
}

// checkBalanced: no chain of gifts makes the loads more even.
func (w *world) checkBalanced(t *rapid.T, p plan) {
	for from := range p {
		reach, queue := map[string]bool{from: true}, []string{from}
		for len(queue) > 0 {
			giver := queue[0]
			queue = queue[1:]
			for _, tp := range p[giver] {
				for i := range w.peers {
					if to := w.peers[i].id; !reach[to] && w.reads(to, tp.Topic) {
						reach[to], queue = true, append(queue, to)
					}
				}
			}
		}
		for to := range reach {
			if len(p[from]) >= len(p[to])+2 {
				t.Fatalf("%s has %d and could pass some on to %s, which has %d: %v", from, len(p[from]), to, len(p[to]), p)
			}
		}
	}
}

func TestEveryAssignmentIsCompleteWithoutOverlapAndRepeatable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
		w.claim(t)
		for _, b := range []Balancer{Range, RoundRobin, Sticky, CooperativeSticky} {
			p := assign(b, w.peers, w.counts)
			w.checkValid(t, p, b != CooperativeSticky)
			shuffled := slices.Clone(w.peers)
			slices.Reverse(shuffled)
			if again := assign(b, shuffled, w.counts); !reflect.DeepEqual(p, again) {
				t.Fatalf("%s depends on the order of members: %v, then %v", b, p, again)
			}
		}
	})
}

func TestStickyIsBalancedForAnySubscriptions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
		w.claim(t)
		w.checkBalanced(t, assign(Sticky, w.peers, w.counts))
	})
}

func TestStickyMovesOnlyWhatBalanceNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, true)
		old := assign(Sticky, w.peers, w.counts)
		w.adopt(old, 1)
		if same := assign(Sticky, w.peers, w.counts); !reflect.DeepEqual(old, same) {
			t.Fatalf("nothing changed, but %v became %v", old, same)
		}
		gone := rapid.IntRange(0, 1).Draw(t, "leaves")
		w.peers = w.peers[min(gone, len(w.peers)-1):]
		for i := range rapid.IntRange(0, 2).Draw(t, "joins") {
			w.peers = append(w.peers, peer{id: fmt.Sprintf("n%d", i), topics: w.peers[0].topics, generation: -1})
		}
		total := 0
		for _, n := range w.counts {
			total += int(n)
		}
		least, most := total/len(w.peers), (total+len(w.peers)-1)/len(w.peers)
		mayKeepMost := total - least*len(w.peers) // so many members may hold one more than the least
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
			t.Fatalf("%d partitions were taken from their owners, %d had to be: loads %v of %d", moved, must, loads, total)
		}
	})
}

func TestClaimsOfOlderGenerationsAreIgnored(t *testing.T) {
	both := []TP{{"t", 0}, {"t", 1}}
	p := assign(Sticky, []peer{
		{id: "a", topics: []string{"t"}, owned: both, generation: 4},
		{id: "b", topics: []string{"t"}, owned: both[:1], generation: 5},
		{id: "c", topics: []string{"t"}, owned: both[1:], generation: 5},
	}, map[string]int32{"t": 2})
	if want := (plan{"a": nil, "b": both[:1], "c": both[1:]}); !reflect.DeepEqual(p, want) {
		t.Errorf("got %v, want %v", p, want)
	}
}

// Of two partitions that could go to b, the one that nobody held yet goes.
func TestStickyMovesWhatIsFreeBeforeWhatIsHeld(t *testing.T) {
	tps := func(topic string, from, to int32) (out []TP) {
		for p := from; p < to; p++ {
			out = append(out, TP{topic, p})
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
}

// A cooperative group, simulated: members hold what they were given, release what is missing and rejoin; some miss a rebalance and keep claiming.
func TestCooperativeNeverGivesAPartitionAwayBeforeItWasReleased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
		w.claim(t)
		for i := range w.peers { // what does not exist or is not read cannot be held
			w.peers[i].owned = slices.DeleteFunc(w.peers[i].owned, func(tp TP) bool { return !w.reads(w.peers[i].id, tp.Topic) || tp.Partition >= w.counts[tp.Topic] })
		}
		for generation := int32(10); ; generation++ {
			if generation > 15 {
				t.Fatalf("it never settles: %v", w.peers)
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
							t.Fatalf("%v is given to %s while %s may hold it: %v", tp, w.peers[i].id, w.peers[j].id, w.peers)
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

// The expected plans are what Java's RangeAssignor and RoundRobinAssignor document and test.
func TestRangeAndRoundRobinAreJavas(t *testing.T) {
	counts := map[string]int32{"t0": 3, "t1": 3}
	both := []string{"t0", "t1"}
	two := []peer{{id: "c1", topics: both}, {id: "c0", topics: both}}
	for _, tc := range []struct {
		name   string
		b      Balancer
		peers  []peer
		counts map[string]int32
		want   plan
	}{
		{"range", Range, two, counts, plan{"c0": {{"t0", 0}, {"t0", 1}, {"t1", 0}, {"t1", 1}}, "c1": {{"t0", 2}, {"t1", 2}}}},
		{"range, static first", Range, []peer{{id: "a", topics: both}, {id: "z", instance: "i", topics: both}}, counts,
			plan{"z": {{"t0", 0}, {"t0", 1}, {"t1", 0}, {"t1", 1}}, "a": {{"t0", 2}, {"t1", 2}}}},
		{"round robin", RoundRobin, two, counts, plan{"c0": {{"t0", 0}, {"t0", 2}, {"t1", 1}}, "c1": {{"t0", 1}, {"t1", 0}, {"t1", 2}}}},
		{"round robin, differing", RoundRobin, []peer{{id: "c0", topics: []string{"t0"}}, {id: "c1", topics: both}, {id: "c2", topics: []string{"t0", "t1", "t2"}}},
			map[string]int32{"t0": 1, "t1": 2, "t2": 3},
			plan{"c0": {{"t0", 0}}, "c1": {{"t1", 0}}, "c2": {{"t1", 1}, {"t2", 0}, {"t2", 1}, {"t2", 2}}}},
	} {
		if got := assign(tc.b, tc.peers, tc.counts); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestTheSubscriptionSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, true)
		w.claim(t)
		for _, b := range []Balancer{CooperativeSticky, Sticky} {
			for _, p := range w.peers {
				slices.SortFunc(p.owned, compareTP)
				p.owned = slices.Compact(p.owned)
				m := memberOf(p, subscription(b, p.topics, holding{p.owned, p.generation}, "rack-1", rapid.Bool().Draw(t, "force")))
				got, err := readSubscription(b, m)
				if err != nil || !reflect.DeepEqual(got, p) {
					t.Fatalf("%s: %+v became %+v (%v)", b, p, got, err)
				}
			}
		}
	})
}
