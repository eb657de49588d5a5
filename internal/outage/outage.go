// Package outage says which errors are of a dependency that is away, not of what it was asked.
package outage

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
)

// Is reports whether an error says that what was called could not be reached or did not answer: a
// connection that failed, a name that was not found, an answer cut short, a timeout.
func Is(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	return errors.As(err, &op) || errors.As(err, &dns) || errors.Is(err, net.ErrClosed) ||
		// context.DeadlineExceeded and os.ErrDeadlineExceeded too
		errors.As(err, &timeout) && timeout.Timeout() ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}
