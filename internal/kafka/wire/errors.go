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

// UnsupportedError says that a broker speaks no version of a request that we speak.
type UnsupportedError struct {
	Addr     string
	Request  string
	Min, Max int16 // the broker's; -1 where it does not know the request at all
	Ours     int16
}

func (e *UnsupportedError) Error() string {
	if e.Max < 0 {
		return fmt.Sprintf("kafka broker %s does not know %s requests: it is older than what this client supports", e.Addr, e.Request)
	}
	return fmt.Sprintf("kafka broker %s speaks %s versions %d to %d, this client up to %d: there is none in common", e.Addr, e.Request, e.Min, e.Max, e.Ours)
}

// GroupError says what is wrong with a group.
type GroupError struct {
	Group string
	Err   error
}

func (e *GroupError) Error() string { return fmt.Sprintf("kafka group %q: %v", e.Group, e.Err) }
func (e *GroupError) Unwrap() error { return e.Err }

// TransactionError says what is wrong with a transactional id.
type TransactionError struct {
	ID  string
	Err error
}

func (e *TransactionError) Error() string {
	return fmt.Sprintf("kafka transactional id %q: %v", e.ID, e.Err)
}
func (e *TransactionError) Unwrap() error { return e.Err }

// ErrClosed is returned by the calls of a closed Client.
var ErrClosed = errors.New("kafka client is closed")

// Fatal reports whether err is one that no retry mends: refused credentials or authorisation, a
// protocol with no version in common.
func Fatal(err error) bool {
	var auth *kafkaerr.AuthError
	var unsupported *UnsupportedError
	var code Code
	switch {
	case errors.As(err, &auth), errors.As(err, &unsupported):
		return true
	case errors.As(err, &code):
		return code.refused()
	}
	return errors.Is(err, ErrClosed)
}

// Retriable reports whether the call that ended in err is worth another try.
func Retriable(err error) bool {
	var unreachable *kafkaerr.UnreachableError
	var code Code
	switch {
	case err == nil, Fatal(err), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &unreachable):
		return true
	case errors.As(err, &code):
		return code.Retriable()
	}
	return false
}

func named(req kmsg.Request) string { return kmsg.NameForKey(req.Key()) }

// classify tells a refusal from a silence.
func classify(addr, request string, err error) error {
	var code kafka.Error
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &code):
		switch Code(code) {
		case UnsupportedSASLMechanism, IllegalSASLState, SASLAuthentication:
			return &kafkaerr.AuthError{Addr: addr, Err: err}
		}
	case errors.As(err, &cert):
		return &kafkaerr.AuthError{Addr: addr, Err: err}
	// a TLS alert: the broker refused our certificate or our handshake
	case errors.As(err, &op) && op.Op == "remote error":
		return &kafkaerr.AuthError{Addr: addr, Err: err}
	}
	return &kafkaerr.UnreachableError{Addr: addr, Request: request, Err: err}
}
