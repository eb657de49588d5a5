package wire

import "testing"

func TestMetadataOfALaggingBroker(t *testing.T) {
	id, other := [16]byte{1}, [16]byte{2}
	known := Topic{Name: "orders", ID: id, Partitions: map[int32]Partition{0: {Leader: 2, LeaderEpoch: 7}, 1: {Leader: 2, LeaderEpoch: 7}}}
	reported := func(id [16]byte) Topic {
		return Topic{Name: "orders", ID: id, Partitions: map[int32]Partition{0: {Leader: 1, LeaderEpoch: 6}, 1: {Leader: 3, LeaderEpoch: 8}}}
	}
	t1 := reported(id)
	t1.keepNewer(known)
	if t1.Partitions[0].Leader != 2 || t1.Partitions[1].Leader != 3 {
		t.Errorf("the same topic: %+v", t1.Partitions)
	}
	t2 := reported(other)
	t2.keepNewer(known)
	if t2.Partitions[0].Leader != 1 {
		t.Errorf("a recreated topic: %+v", t2.Partitions)
	}
}
