package produce

import (
	"errors"
	"fmt"
)

// BalanceError is a Balancer that chose a partition that is not there.
type BalanceError struct {
	Topic                 string
	Partition, Partitions int
}

func (e *BalanceError) Error() string {
	return fmt.Sprintf("%s: KafkaConfig.Balancer chose partition %d of %d", e.Topic, e.Partition, e.Partitions)
}

var (
	errNoTopic   = errors.New("the message names no Topic, and KafkaConfig.Topic is empty")
	errNoAnswer  = errors.New("there was no answer")
	errUnreached = errors.New("there was no connection to its leader")
	errNoLeader  = errors.New("the partition had no leader")
	errQueued    = errors.New("what was queued before it took too long")
)
