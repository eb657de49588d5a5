package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AuthError says that a broker, or our own check of its certificate, refused the connection. No retry mends it.
type AuthError struct {
	Addr string
	Err  error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("kafka broker %s: not authenticated: %v; check Transport.SASL and Transport.TLS against the listener at that port", e.Addr, e.Err)
}

func (e *AuthError) Unwrap() error { return e.Err }

// UnreachableError says that a broker did not answer: it could not be dialed, closed the connection, or took longer than the deadline.
type UnreachableError struct {
	Addr       string
	Request    string
	Err        error
	Advertised bool // the address is the broker's own word (advertised.listeners), not one of Brokers
	Answered   bool // it has answered before
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("kafka broker %s: no answer to %s: %v%s", e.Addr, e.Request, e.Err, e.hint())
}

func (e *UnreachableError) Unwrap() error { return e.Err }

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

// TopicError says what is wrong with a topic.
type TopicError struct {
	Topic string
	Err   error
}

func (e *TopicError) Error() string { return fmt.Sprintf("kafka topic %q: %v", e.Topic, e.Err) }
func (e *TopicError) Unwrap() error { return e.Err }

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

// Fatal reports whether err is one that no retry mends: refused credentials or authorisation, a protocol with no version in common.
func Fatal(err error) bool {
	var auth *AuthError
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
	var unreachable *UnreachableError
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
			return &AuthError{addr, err}
		}
	case errors.As(err, &cert):
		return &AuthError{addr, err}
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert: the broker refused our certificate or our handshake
		return &AuthError{addr, err}
	}
	return &UnreachableError{Addr: addr, Request: request, Err: err}
}

// hint names the misconfiguration that most often looks like the error. An address that has answered before is configured well.
func (e *UnreachableError) hint() string {
	var record tls.RecordHeaderError
	var dns *net.DNSError
	var refused *net.OpError
	silent := errors.Is(e.Err, context.DeadlineExceeded)
	switch {
	case errors.As(e.Err, &record):
		return "; the broker does not seem to speak TLS at that port: leave Transport.TLS nil, or use its TLS listener"
	case e.Answered:
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "; it closed the connection: if this repeats, the listener at that port may want TLS (Transport.TLS) or SASL (Transport.SASL)"
	case e.Advertised && (silent || errors.As(e.Err, &dns) || errors.As(e.Err, &refused)):
		return "; the broker itself gives that address: if it cannot be reached from here, mend the broker's advertised.listeners"
	case errors.As(e.Err, &dns):
		return "; check KafkaConfig.Brokers"
	}
	return ""
}
