package kafkaerr

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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
	Addr    string
	Request string
	Err     error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("kafka broker %s: no answer to %s: %v%s", e.Addr, e.Request, e.Err, hint(e.Err))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// hint names the misconfiguration that most often looks like err.
func hint(err error) string {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return "; the broker does not seem to speak TLS at that port: leave Transport.TLS nil, or use its TLS listener"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "; it closed the connection: if this repeats, the listener at that port may want TLS (Transport.TLS) or SASL (Transport.SASL)"
	case errors.Is(err, context.DeadlineExceeded):
		return "; it took longer than allowed"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "; check KafkaConfig.Brokers and the brokers' advertised.listeners"
	}
	return ""
}
