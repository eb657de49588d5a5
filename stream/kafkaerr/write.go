package kafkaerr

import (
	"fmt"
	"time"
)

// DeliveryError is a record that was not acknowledged in time. It, and what was queued behind it in
// its partition, failed.
type DeliveryError struct {
	Topic     string
	Partition int // -1: none was chosen yet
	After     time.Duration
	Sent      bool  // a broker may have got it, and has not refused it: it may be in the log
	Err       error // what stood in the way last
}

func (e *DeliveryError) Error() string {
	where, fate := fmt.Sprintf("%s[%d]", e.Topic, e.Partition), "it was not written"
	if e.Partition < 0 {
		where = e.Topic
	}
	if e.Sent {
		fate = "it may have been written all the same"
	}
	return fmt.Sprintf("%s: not acknowledged within %v (DeliveryTimeout); %s: %v", where, e.After, fate, e.Err)
}

func (e *DeliveryError) Unwrap() error { return e.Err }

// TooLargeError is a record that no batch can hold. Writing it again does not help.
type TooLargeError struct {
	Topic string
	Size  int   // at most, before compression
	Limit int   // KafkaConfig.BatchBytes; 0: the topic's own, which is not known here
	Err   error // the broker's answer, if it was the one to refuse
}

func (e *TooLargeError) Error() string {
	if e.Limit > 0 {
		return fmt.Sprintf("%s: a record of %d bytes is larger than a batch may be: %d bytes (KafkaConfig.BatchBytes); raise it, and the topic's max.message.bytes with it", e.Topic, e.Size, e.Limit)
	}
	return fmt.Sprintf("%s: the topic does not take a record of %d bytes: %v; raise its max.message.bytes, or write less", e.Topic, e.Size, e.Err)
}

func (e *TooLargeError) Unwrap() error { return e.Err }

// RefusedError is a record that the broker does not take.
type RefusedError struct {
	Topic     string
	Partition int
	Err       error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s[%d]: not written: %v", e.Topic, e.Partition, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// FencedError says that another producer has taken the transactional id over.
type FencedError struct {
	ID  string
	Err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("transactional id %q belongs to another worker now: each running worker needs an InstanceID of its own, or none: %v", e.ID, e.Err)
}

func (e *FencedError) Unwrap() error { return e.Err }
