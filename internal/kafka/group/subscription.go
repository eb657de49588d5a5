package group

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// protocolType is the protocol type of every consumer client. It implies the layouts below for the
// members' metadata and assignments.
const protocolType = "consumer"

// holding is the set of partitions that a member claims when it joins.
type holding struct {
	tps        []wire.TopicPartition
	generation int32 // -1: none
}

// subscription encodes this member's subscription for one balancer.
//
// Versions: cooperative-sticky needs the owned partitions and their generation (v3, and then no
// user data, like Java). Eager balancers own nothing when they join. Range and round robin stay at
// v0, because kafka-go as leader refuses the fields of later versions, unless there is a rack,
// which only v3 has. A forced subscription differs from the last in its user data, so that the
// coordinator does not take the join for a repetition.
func subscription(b Balancer, topics []string, held holding, rack string, force bool) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = topics
	meta.Generation = -1
	if rack != "" {
		meta.Version, meta.Rack = 3, &rack
	}
	switch b {
	case CooperativeSticky:
		meta.Version, meta.Generation = 3, held.generation
		for _, t := range wire.ByTopic(held.tps) {
			o := kmsg.NewConsumerMemberMetadataOwnedPartition()
			o.Topic, o.Partitions = t.Topic, t.Partitions
			meta.OwnedPartitions = append(meta.OwnedPartitions, o)
		}
	case Sticky:
		user := kmsg.NewStickyMemberMetadata()
		user.Generation = held.generation
		for _, t := range wire.ByTopic(held.tps) {
			a := kmsg.NewStickyMemberMetadataCurrentAssignment()
			a.Topic, a.Partitions = t.Topic, t.Partitions
			user.CurrentAssignment = append(user.CurrentAssignment, a)
		}
		meta.UserData = user.AppendTo(nil)
		return meta.AppendTo(nil)
	}
	if force {
		meta.UserData = binary.BigEndian.AppendUint32(nil, uint32(held.generation))
	}
	return meta.AppendTo(nil)
}

// readSubscription decodes another member's subscription under balancer b.
func readSubscription(b Balancer, m *kmsg.JoinGroupResponseMember) (peer, error) {
	p := peer{id: m.MemberID, generation: -1}
	if m.InstanceID != nil {
		p.instance = *m.InstanceID
	}
	meta, err := readMetadata(m.ProtocolMetadata)
	if err != nil {
		return p, fmt.Errorf("the subscription of member %s cannot be read, so it gets no partitions: %w", m.MemberID, err)
	}
	p.topics = slices.Compact(slices.Sorted(slices.Values(meta.Topics)))
	switch b {
	case CooperativeSticky:
		for _, o := range meta.OwnedPartitions {
			p.own(o.Topic, o.Partitions)
		}
		p.generation = meta.Generation
		if meta.Version < 2 && len(meta.UserData) == 4 {
			// Before the field existed, Java's user data held only the generation.
			p.generation = int32(binary.BigEndian.Uint32(meta.UserData))
		}
	case Sticky:
		// Only the user data counts, since an eager member owns nothing by the time it joins. Without a
		// generation (v0) it stays -1.
		user := kmsg.NewStickyMemberMetadata()
		if len(meta.UserData) == 0 || user.ReadFrom(meta.UserData) != nil {
			break
		}
		for _, a := range user.CurrentAssignment {
			p.own(a.Topic, a.Partitions)
		}
		p.generation = user.Generation
	}
	return p, nil
}

func (p *peer) own(topic string, partitions []int32) {
	for _, n := range partitions {
		p.owned = append(p.owned, wire.PartitionOf(topic, n))
	}
}

func readMetadata(raw []byte) (kmsg.ConsumerMemberMetadata, error) {
	meta := kmsg.NewConsumerMemberMetadata()
	err := meta.ReadFrom(raw)
	if err != nil && len(raw) >= 2 && binary.BigEndian.Uint16(raw) == 1 {
		// Some clients send v1 without its fields.
		v0 := append([]byte{0, 0}, raw[2:]...)
		meta = kmsg.NewConsumerMemberMetadata()
		err = meta.ReadFrom(v0)
	}
	return meta, err
}

// encodePlan encodes the leader's assignment for each member, in a stable order.
func encodePlan(p plan) []kmsg.SyncGroupRequestGroupAssignment {
	out := make([]kmsg.SyncGroupRequestGroupAssignment, 0, len(p))
	for id, tps := range p {
		var a kmsg.ConsumerMemberAssignment
		for _, t := range wire.ByTopic(tps) {
			at := kmsg.NewConsumerMemberAssignmentTopic()
			at.Topic, at.Partitions = t.Topic, t.Partitions
			a.Topics = append(a.Topics, at)
		}
		s := kmsg.NewSyncGroupRequestGroupAssignment()
		s.MemberID, s.MemberAssignment = id, a.AppendTo(nil)
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y kmsg.SyncGroupRequestGroupAssignment) int {
		return strings.Compare(x.MemberID, y.MemberID)
	})
	return out
}

// readAssignment decodes this member's assignment. A coordinator sends no bytes to a member that
// the leader left out.
func readAssignment(raw []byte) ([]wire.TopicPartition, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(raw); err != nil {
		return nil, fmt.Errorf("cannot read the leader's assignment: %w", err)
	}
	var tps []wire.TopicPartition
	for _, t := range a.Topics {
		for _, p := range t.Partitions {
			tps = append(tps, wire.PartitionOf(t.Topic, p))
		}
	}
	slices.SortFunc(tps, wire.TopicPartition.Compare)
	return slices.Compact(tps), nil
}
