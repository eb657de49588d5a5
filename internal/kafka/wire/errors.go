package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnsupportedError means that client and broker support no common version of a request.
type UnsupportedError struct {
	Addr     string
	Request  string
	Min, Max int16 // the broker's; -1 if it does not know the request at all
	Ours     int16
}

func (e *UnsupportedError) Error() string {
	if e.Max < 0 {
		return fmt.Sprintf("kafka broker %s does not know %s requests: it is older than this client supports [LW312]", e.Addr, e.Request)
	}
	return fmt.Sprintf("kafka broker %s supports %s versions %d to %d, but this client up to %d: no version in common [LW312]", e.Addr, e.Request, e.Min, e.Max, e.Ours)
}

// GroupError is an error of a group.
type GroupError struct {
	Group string
	Err   error
}

func (e *GroupError) Error() string { return fmt.Sprintf("kafka group %q: %v [LW313]", e.Group, e.Err) }
func (e *GroupError) Unwrap() error { return e.Err }

// TransactionError is an error of a transactional id.
type TransactionError struct {
	ID  string
	Err error
}

func (e *TransactionError) Error() string {
	return fmt.Sprintf("kafka transactional id %q: %v [LW314]", e.ID, e.Err)
}
func (e *TransactionError) Unwrap() error { return e.Err }

// ErrClosed is the error of a closed Client's calls.
var ErrClosed = errors.New("kafka client is closed")

// Fatal reports whether no retry can fix err: refused credentials or authorisation, or no protocol
// version in common.
func Fatal(err error) bool {
	var auth *kafkaerr.AuthError
	var unsupported *UnsupportedError
	return errors.As(err, &auth) || errors.As(err, &unsupported) || CodeOf(err).In(Denied) || errors.Is(err, ErrClosed)
}

// Retriable reports whether a retry of the call that returned err may succeed.
func Retriable(err error) bool {
	var unreachable *kafkaerr.UnreachableError
	if err == nil || Fatal(err) || errors.Is(err, context.Canceled) {
		return false
	}
	return errors.As(err, &unreachable) || CodeOf(err).In(Retry)
}

func named(req kmsg.Request) string { return kmsg.NameForKey(req.Key()) }

// classify distinguishes refusals from unreachable brokers.
func classify(addr, request string, err error) error {
	var code kafka.Error
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &code) && Code(code).In(Login), errors.As(err, &cert):
		return &kafkaerr.AuthError{Addr: addr, Err: err}
	// a TLS alert: the broker refused our certificate or our handshake
	case errors.As(err, &op) && op.Op == "remote error":
		return &kafkaerr.AuthError{Addr: addr, Err: err}
	}
	return &kafkaerr.UnreachableError{Addr: addr, Request: request, Err: err}
}
