package kafkaerr

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// AuthError says that a broker, or our own check of its certificate, refused the connection. No
// retry mends it.
type AuthError struct {
	Addr string
	Err  error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("kafka broker %s: not authenticated: %v; check Transport.SASL and Transport.TLS against the listener at that port", e.Addr, e.Err)
}

func (e *AuthError) Unwrap() error { return e.Err }

// UnreachableError says that a broker did not answer: it could not be dialed, closed the
// connection, or took longer than the deadline.
type UnreachableError struct {
	Addr    string
	Request string
	Err     error
	// the address is the broker's own word (advertised.listeners), not one of Brokers
	Advertised bool
	Answered   bool // it has answered before
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("kafka broker %s: no answer to %s: %v%s", e.Addr, e.Request, e.Err, e.hint())
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// hint names the misconfiguration that most often looks like the error. An address that has
// answered before is configured well.
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
