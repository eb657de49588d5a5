package wire

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int
}

// PartitionOf returns the name of a topic's partition.
func PartitionOf[N int | int32](topic string, partition N) TopicPartition {
	return TopicPartition{Topic: topic, Partition: int(partition)}
}

func (tp TopicPartition) String() string { return fmt.Sprintf("%s[%d]", tp.Topic, tp.Partition) }

// Compare orders partitions by topic, then by number.
func (tp TopicPartition) Compare(other TopicPartition) int {
	return cmp.Or(strings.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// TopicPartitions are partitions of one topic, in the form of requests.
type TopicPartitions struct {
	Topic      string
	Partitions []int32
}

// ByTopic groups partitions in a stable order.
func ByTopic(tps []TopicPartition) []TopicPartitions {
	var out []TopicPartitions
	for _, tp := range slices.SortedFunc(slices.Values(tps), TopicPartition.Compare) {
		if len(out) == 0 || out[len(out)-1].Topic != tp.Topic {
			out = append(out, TopicPartitions{Topic: tp.Topic})
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, int32(tp.Partition))
	}
	return out
}
