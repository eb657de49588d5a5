package kafkaerr

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// AuthError means that a broker, or this client's check of its certificate, refused the connection.
// No retry fixes it.
type AuthError struct {
	Addr string
	Err  error
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("kafka broker %s: not authenticated: %v; check Transport.SASL and Transport.TLS against the listener at that port [LW301]", e.Addr, e.Err)
}

func (e *AuthError) Unwrap() error { return e.Err }

// UnreachableError means that a broker did not respond: it could not be dialed, closed the
// connection, or took longer than the deadline.
type UnreachableError struct {
	Addr    string
	Request string
	Err     error
	// the address comes from the broker (advertised.listeners), not from Brokers
	Advertised bool
	Answered   bool // the address has responded before
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("kafka broker %s: no response to %s: %v%s [LW302]", e.Addr, e.Request, e.Err, e.hint())
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// hint names the most likely misconfiguration. An address that has responded before is configured
// correctly.
func (e *UnreachableError) hint() string {
	var record tls.RecordHeaderError
	var dns *net.DNSError
	var refused *net.OpError
	var each *UnreachableError
	silent := errors.Is(e.Err, context.DeadlineExceeded)
	switch {
	case errors.As(e.Err, &each): // of several brokers, each has its own hint
	case errors.As(e.Err, &record):
		return "; the broker does not seem to use TLS on that port: leave Transport.TLS nil, or use its TLS listener"
	case e.Answered:
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "; it closed the connection: if this repeats, the listener on that port may require TLS (Transport.TLS) or SASL (Transport.SASL)"
	case e.Advertised && (silent || errors.As(e.Err, &dns) || errors.As(e.Err, &refused)):
		return "; the broker advertises that address: if it cannot be reached from here, fix the broker's advertised.listeners"
	case errors.As(e.Err, &dns):
		return "; check KafkaConfig.Brokers"
	}
	return ""
}
