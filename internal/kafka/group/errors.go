package group

import (
	"errors"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// ErrLost matches every error that reports a partition that may belong to another member by now.
// Nothing may be committed for it.
var ErrLost = errors.New("the partition is no longer this member's")

// LostError is the reason why the membership or a partition was lost. It matches ErrLost.
type LostError struct {
	Group string
	Err   error // a wire.Code, errNotOwned, errSuperseded or a *SessionExpiredError
}

func (e *LostError) Error() string {
	return fmt.Sprintf("group %s: the partition is no longer this member's: %v [LW315]", e.Group, e.Err)
}
func (e *LostError) Unwrap() []error { return []error{ErrLost, e.Err} }

var (
	errNotOwned   = errors.New("it was revoked, lost or never assigned to this member")
	errSuperseded = errors.New("it was lost and assigned again")
)

// SessionExpiredError reports that no heartbeat was answered for the whole session timeout, so that
// the coordinator may have removed this member. Last is the last failure; nil means that this
// process was suspended.
type SessionExpiredError struct {
	Timeout time.Duration
	Last    error
}

func (e *SessionExpiredError) Error() string {
	if e.Last == nil {
		return fmt.Sprintf("no heartbeat was answered for the session timeout of %v: this process was suspended or got no CPU time "+
			"(SIGSTOP, a frozen VM, a CPU limit); its partitions may be another member's [LW316]", e.Timeout)
	}
	return fmt.Sprintf("no heartbeat was answered for the session timeout of %v (last: %v); check the network, or raise SessionTimeout [LW316]", e.Timeout, e.Last)
}
func (e *SessionExpiredError) Unwrap() error { return e.Last }

// RetriableError is a failure that may not recur: the coordinator is moving, loading or
// unreachable, or the group is rebalancing.
type RetriableError struct {
	Group, Op string
	Err       error
}

func (e *RetriableError) Error() string {
	return fmt.Sprintf("group %s: %s: %v [LW317]", e.Group, e.Op, e.Err)
}
func (e *RetriableError) Unwrap() error { return e.Err }

// class is how to react to an error code; the worst comes last.
type class int

const (
	classOK        class = iota
	classRetry           // wait and retry
	classRebalance       // the group is rebalancing: rejoin
	classLost            // this membership is over
	classFatal           // give up
)

func classify(code wire.Code) class {
	switch {
	case code == wire.None:
		return classOK
	case code.In(wire.Rejoin):
		return classRebalance
	case code.In(wire.Retry):
		return classRetry
	case code.In(wire.Lost):
		return classLost
	}
	return classFatal
}

func fatal(group, op string, code wire.Code) *kafkaerr.GroupError {
	return &kafkaerr.GroupError{Group: group, Op: op, Err: kafka.Error(code), Fix: code.Fix()}
}
