package kafkaerr

import "fmt"

// TopicError is an error of a topic.
type TopicError struct {
	Topic string
	Err   error
}

func (e *TopicError) Error() string { return fmt.Sprintf("kafka topic %q: %v [LW306]", e.Topic, e.Err) }

func (e *TopicError) Unwrap() error { return e.Err }

// OutOfRangeError means that the log does not have the next offset, and the reset policy is Fail.
type OutOfRangeError struct {
	Topic            string
	Partition        int
	Offset           int64
	Earliest, Latest int64 // range of the log
	Why              string
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s[%d]: offset %d is not in the log, which has %d to %d: %s; choose a Reset of earliest or latest, or store another offset for the group [LW303]",
		e.Topic, e.Partition, e.Offset, e.Earliest, e.Latest, e.Why)
}

// NoOffsetError means that the group has no offset for a partition, and Start is Fail.
type NoOffsetError struct {
	Group     string
	Topic     string
	Partition int
}

func (e *NoOffsetError) Error() string {
	return fmt.Sprintf("group %q has no offset for %s[%d], and Start is Fail: store one (kafka-consumer-groups --reset-offsets), or choose another Start [LW304]", e.Group, e.Topic, e.Partition)
}

// BatchError is a batch that cannot be read. Offset is its first missing record, Next is where to
// continue without the batch.
type BatchError struct {
	Topic        string
	Partition    int
	Offset, Next int64
	Err          error
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("%s[%d]@%d cannot be read: %v; without it, reading continues at offset %d [LW307]", e.Topic, e.Partition, e.Offset, e.Err, e.Next)
}

func (e *BatchError) Unwrap() error { return e.Err }
