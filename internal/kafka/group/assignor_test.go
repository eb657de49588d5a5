package group

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// world is a group to assign: topics, and members with their claims.
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

// claim gives members random claims, including partitions of topics that they do not read, that do
// not exist, or that others claim too.
func (w *world) claim(t *rapid.T) {
	for i := range w.peers {
		for range rapid.IntRange(0, 8).Draw(t, "claims") {
			tp := wire.PartitionOf(fmt.Sprintf("t%d", rapid.IntRange(0, 4).Draw(t, "topic")), rapid.IntRange(0, 13).Draw(t, "partition"))
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

// checkValid checks that every partition with a reader is given at most once (exactly once if
// complete), to a subscriber.
func (w *world) checkValid(t *rapid.T, p plan, complete bool) {
	given := map[wire.TopicPartition]string{}
	for id, tps := range p {
		for _, tp := range tps {
			if other, twice := given[tp]; twice {
				t.Fatalf("%v was given to %s and %s", tp, other, id)
			}
			given[tp] = id
			if !w.reads(id, tp.Topic) || tp.Partition >= int(w.counts[tp.Topic]) {
				t.Fatalf("%v was given to %s, but %[2]s does not read it, or it does not exist", tp, id)
			}
		}
	}
	want := 0
	for topic := range subscribers(w.peers, w.counts) {
		want += int(w.counts[topic])
	}
	if complete && len(given) != want {
		t.Fatalf("%d partitions were given, but %d have readers", len(given), want)
	}
}

// checkBalanced checks that no chain of gifts makes the loads more even.
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
				t.Fatalf("%s has %d and could give some to %s, which has %d: %v", from, len(p[from]), to, len(p[to]), p)
			}
		}
	}
}

func TestAssign(t *testing.T) {
	t.Run("is complete, repeatable and without overlap", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t, rapid.Bool().Draw(t, "alike"))
			w.claim(t)
			for _, b := range []Balancer{Range, RoundRobin, Sticky, CooperativeSticky} {
				p := assign(b, w.peers, w.counts)
				w.checkValid(t, p, b != CooperativeSticky)
				shuffled := slices.Clone(w.peers)
				slices.Reverse(shuffled)
				if other := assign(b, shuffled, w.counts); !reflect.DeepEqual(p, other) {
					t.Fatalf("%s depends on the order of members: %v, then %v", b, p, other)
				}
			}
		})
	})
	// The expected plans are those that Java's RangeAssignor and RoundRobinAssignor document and test.
	t.Run("is Java's for range and round robin", func(t *testing.T) {
		counts := map[string]int32{"t0": 3, "t1": 3}
		both := []string{"t0", "t1"}
		two := []peer{{id: "c1", topics: both}, {id: "c0", topics: both}}
		at := wire.PartitionOf[int]
		for _, tc := range []struct {
			name   string
			b      Balancer
			peers  []peer
			counts map[string]int32
			want   plan
		}{
			{"range", Range, two, counts, plan{"c0": {at("t0", 0), at("t0", 1), at("t1", 0), at("t1", 1)}, "c1": {at("t0", 2), at("t1", 2)}}},
			{"range with a static member", Range, []peer{{id: "a", topics: both}, {id: "z", instance: "i", topics: both}}, counts,
				plan{"z": {at("t0", 0), at("t0", 1), at("t1", 0), at("t1", 1)}, "a": {at("t0", 2), at("t1", 2)}}},
			{"round robin", RoundRobin, two, counts, plan{"c0": {at("t0", 0), at("t0", 2), at("t1", 1)}, "c1": {at("t0", 1), at("t1", 0), at("t1", 2)}}},
			{"round robin with different subscriptions", RoundRobin, []peer{{id: "c0", topics: []string{"t0"}}, {id: "c1", topics: both}, {id: "c2", topics: []string{"t0", "t1", "t2"}}},
				map[string]int32{"t0": 1, "t1": 2, "t2": 3},
				plan{"c0": {at("t0", 0)}, "c1": {at("t1", 0)}, "c2": {at("t1", 1), at("t2", 0), at("t2", 1), at("t2", 2)}}},
		} {
			if got := assign(tc.b, tc.peers, tc.counts); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
			}
		}
	})
}
