package kafkaerr

import "fmt"

// TopicError says what is wrong with a topic.
type TopicError struct {
	Topic string
	Err   error
}

func (e *TopicError) Error() string { return fmt.Sprintf("kafka topic %q: %v", e.Topic, e.Err) }

func (e *TopicError) Unwrap() error { return e.Err }

// OutOfRangeError says that the log does not have the offset to go on from, and that the reset
// policy is to fail.
type OutOfRangeError struct {
	Topic            string
	Partition        int
	Offset           int64
	Earliest, Latest int64 // what it has
	Why              string
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s[%d]: offset %d is not in the log, which has %d to %d: %s; choose a Reset of earliest or latest, or store another offset for the group",
		e.Topic, e.Partition, e.Offset, e.Earliest, e.Latest, e.Why)
}

// NoOffsetError says that the group has no offset for a partition, and that Start is Fail.
type NoOffsetError struct {
	Group     string
	Topic     string
	Partition int
}

func (e *NoOffsetError) Error() string {
	return fmt.Sprintf("group %q has no offset for %s[%d], and Start is Fail: store one (kafka-consumer-groups --reset-offsets), or choose another Start", e.Group, e.Topic, e.Partition)
}

// BatchError is a batch that cannot be read. Offset is the first record that is missing for it,
// Next where reading can go on without it.
type BatchError struct {
	Topic        string
	Partition    int
	Offset, Next int64
	Err          error
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("%s[%d]@%d cannot be read: %v; going on without it means from offset %d", e.Topic, e.Partition, e.Offset, e.Err, e.Next)
}

func (e *BatchError) Unwrap() error { return e.Err }
