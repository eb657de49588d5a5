package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// ErrLost is matched by every error that says that a partition is, or may be, another member's by
// now: nothing may be committed for it.
var ErrLost = errors.New("the partition is no longer this member's")

// LostError is why membership or a partition was lost. It matches ErrLost.
type LostError struct {
	Group string
	Err   error // a kafka.Error, errNotOwned, errSuperseded or a *SessionExpiredError
}

func (e *LostError) Error() string {
	return fmt.Sprintf("group %s: the partition is no longer this member's: %v", e.Group, e.Err)
}
func (e *LostError) Unwrap() []error { return []error{ErrLost, e.Err} }

var (
	errNotOwned   = errors.New("it was revoked, lost or never assigned here")
	errSuperseded = errors.New("it was lost and assigned again")
)

// SessionExpiredError tells that no heartbeat was answered for the whole session timeout, so that
// the coordinator may have given this member up. Last is why; nil: this process stood still.
type SessionExpiredError struct {
	Timeout time.Duration
	Last    error
}

func (e *SessionExpiredError) Error() string {
	if e.Last == nil {
		return fmt.Sprintf("no heartbeat was answered for the session timeout of %v: this process stood still, or got no processor "+
			"(SIGSTOP, a frozen VM, a CPU limit); its partitions may be another member's", e.Timeout)
	}
	return fmt.Sprintf("no heartbeat was answered for the session timeout of %v (last: %v); check the network, or raise SessionTimeout", e.Timeout, e.Last)
}
func (e *SessionExpiredError) Unwrap() error { return e.Last }

// RetriableError is a failure that a later try may not meet: the coordinator is moving, loading or
// out of reach, or the group is rebalancing.
type RetriableError struct {
	Group, Op string
	Err       error
}

func (e *RetriableError) Error() string { return fmt.Sprintf("group %s: %s: %v", e.Group, e.Op, e.Err) }
func (e *RetriableError) Unwrap() error { return e.Err }

// class is what an error code calls for.
type class int

const (
	classOK        class = iota
	classRetry           // wait and try again
	classMoved           // ask for the coordinator, wait and try again
	classRebalance       // the group is rebalancing: join again
	classLost            // this member's place is gone
	classFatal           // give up
)

func classify(code int16) class {
	switch kafka.Error(code) {
	case 0:
		return classOK
	case kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup:
		return classMoved
	case kafka.GroupLoadInProgress, kafka.RequestTimedOut, kafka.UnstableOffsetCommit, kafka.UnknownTopicOrPartition, kafka.Error(wire.UnknownTopicID), kafka.Unknown,
		kafka.NetworkException, kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend, kafka.NotLeaderForPartition, kafka.KafkaStorageError,
		kafka.ThrottlingQuotaExceeded:
		return classRetry
	case kafka.RebalanceInProgress:
		return classRebalance
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.FencedInstanceID:
		return classLost
	}
	return classFatal
}

// fix says what a user can do about a refusal.
func fix(code int16) string {
	switch kafka.Error(code) {
	case kafka.GroupAuthorizationFailed:
		return "grant this user READ on the group"
	case kafka.TopicAuthorizationFailed:
		return "grant this user READ on the topic"
	case kafka.ClusterAuthorizationFailed:
		return "the broker refuses this user; check its ACLs"
	case kafka.InconsistentGroupProtocol:
		return "the group's members have no balancer in common with this one, or it is no consumer group: set Balancers to what they use"
	case kafka.InvalidSessionTimeout:
		return "set SessionTimeout between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms (6 s and 30 min unless changed)"
	case kafka.InvalidGroupId:
		return "choose another group name"
	case kafka.GroupMaxSizeReached:
		return "the group has as many members as the broker's group.max.size allows"
	case kafka.FencedInstanceID:
		return "another process joined with the same InstanceID: give each its own"
	case kafka.UnsupportedVersion:
		return "the broker does not speak this version of the group protocol"
	}
	return ""
}

func fatal(group, op string, code int16) *kafkaerr.GroupError {
	return &kafkaerr.GroupError{Group: group, Op: op, Err: kafka.Error(code), Fix: fix(code)}
}
