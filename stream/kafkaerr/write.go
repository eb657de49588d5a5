package kafkaerr

import (
	"fmt"
	"time"
)

// DeliveryError is a record that was not acknowledged in time. The record failed, and so did the
// records queued after it in its partition.
type DeliveryError struct {
	Topic     string
	Partition int // -1: not chosen yet
	After     time.Duration
	Sent      bool  // a broker may have received it and has not refused it: it may be in the log
	Err       error // the last error
}

func (e *DeliveryError) Error() string {
	where, outcome := fmt.Sprintf("%s[%d]", e.Topic, e.Partition), "it was not written"
	if e.Partition < 0 {
		where = e.Topic
	}
	if e.Sent {
		outcome = "it may have been written"
	}
	return fmt.Sprintf("%s: not acknowledged within %v (DeliveryTimeout); %s: %v [LW308]", where, e.After, outcome, e.Err)
}

func (e *DeliveryError) Unwrap() error { return e.Err }

// TooLargeError is a record that fits into no batch. Retrying does not help.
type TooLargeError struct {
	Topic string
	Size  int   // upper bound, before compression
	Limit int   // KafkaConfig.BatchBytes; 0: the topic's limit, which is unknown here
	Err   error // the broker's error, if the broker refused it
}

func (e *TooLargeError) Error() string {
	if e.Limit > 0 {
		return fmt.Sprintf("%s: a record of %d bytes is larger than the largest batch, %d bytes (KafkaConfig.BatchBytes); raise it and the topic's max.message.bytes [LW309]", e.Topic, e.Size, e.Limit)
	}
	return fmt.Sprintf("%s: the topic does not accept a record of %d bytes: %v; raise its max.message.bytes, or write less [LW309]", e.Topic, e.Size, e.Err)
}

func (e *TooLargeError) Unwrap() error { return e.Err }

// RefusedError is a record that the broker refused.
type RefusedError struct {
	Topic     string
	Partition int
	Err       error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s[%d]: not written: %v [LW310]", e.Topic, e.Partition, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// FencedError means that another producer has taken over the transactional id.
type FencedError struct {
	ID  string
	Err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("transactional id %q belongs to another worker now: each running worker needs its own InstanceID, or none: %v [LW311]", e.ID, e.Err)
}

func (e *FencedError) Unwrap() error { return e.Err }
