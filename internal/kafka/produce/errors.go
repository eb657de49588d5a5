package produce

import (
	"errors"
	"fmt"
)

// BalanceError reports a Balancer that chose a missing partition.
type BalanceError struct {
	Topic                 string
	Partition, Partitions int
}

func (e *BalanceError) Error() string {
	return fmt.Sprintf("%s: KafkaConfig.Balancer chose partition %d of %d [LW318]", e.Topic, e.Partition, e.Partitions)
}

var (
	errNoTopic   = errors.New("the message names no Topic, and KafkaConfig.Topic is empty [LW318]")
	errNoAnswer  = errors.New("no response")
	errUnreached = errors.New("no connection to the leader")
	errNoLeader  = errors.New("the partition has no leader")
	errQueued    = errors.New("an earlier batch of the partition took too long")
)
