package group

import (
	"reflect"
	"slices"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func memberOf(p peer, metadata []byte) *kmsg.JoinGroupResponseMember {
	m := kmsg.NewJoinGroupResponseMember()
	m.MemberID, m.ProtocolMetadata = p.id, metadata
	if p.instance != "" {
		m.InstanceID = &p.instance
	}
	return &m
}

func TestSubscriptionsOfOlderClients(t *testing.T) {
	owned := kmsg.ConsumerMemberMetadataOwnedPartition{Topic: "t", Partitions: []int32{1}}
	java := kmsg.ConsumerMemberMetadata{Version: 1, Topics: []string{"t"}, OwnedPartitions: []kmsg.ConsumerMemberMetadataOwnedPartition{owned}, UserData: []byte{0, 0, 0, 7}}
	short := append([]byte{0, 1}, (&kmsg.ConsumerMemberMetadata{Topics: []string{"t"}}).AppendTo(nil)[2:]...)
	sticky := &kmsg.StickyMemberMetadata{CurrentAssignment: []kmsg.StickyMemberMetadataCurrentAssignment{{Topic: "t", Partitions: []int32{1}}}, Generation: 7}
	v0 := sticky.AppendTo(nil)
	for _, tc := range []struct {
		name string
		b    Balancer
		raw  []byte
		want peer
	}{
		{"Java before 3.2, with its generation in the user data", CooperativeSticky, java.AppendTo(nil), peer{id: "m", topics: []string{"t"}, owned: []wire.TopicPartition{wire.PartitionOf("t", 1)}, generation: 7}},
		{"a client that claims v1 and sends v0", Range, short, peer{id: "m", topics: []string{"t"}, generation: -1}},
		{"sticky user data v0, without a generation", Sticky, (&kmsg.ConsumerMemberMetadata{Topics: []string{"t"}, UserData: v0[:len(v0)-4]}).AppendTo(nil),
			peer{id: "m", topics: []string{"t"}, owned: []wire.TopicPartition{wire.PartitionOf("t", 1)}, generation: -1}},
	} {
		got, err := readSubscription(tc.b, memberOf(peer{id: "m"}, tc.raw))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
	if _, err := readSubscription(Range, memberOf(peer{id: "m"}, []byte{9})); err == nil {
		t.Error("an unreadable subscription was read")
	}
}

func TestSubscriptionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, true)
		w.claim(t)
		for _, b := range []Balancer{CooperativeSticky, Sticky} {
			for _, p := range w.peers {
				slices.SortFunc(p.owned, wire.TopicPartition.Compare)
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
