// Package outage says which errors are of a dependency that is away, not of what it was asked.
package outage

import (
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
)

// Is reports whether an error says that what was called could not be reached or did not answer: a
// connection that failed or was not trusted, a name that was not found, an answer cut short, a
// timeout, or a database that starts, stops or has lost its connection.
func Is(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	return errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &untrusted) || errors.As(err, &plain) ||
		// context.DeadlineExceeded and os.ErrDeadlineExceeded too
		errors.As(err, &timeout) && timeout.Timeout() ||
		slices.ContainsFunc(broken, func(target error) bool { return errors.Is(err, target) }) ||
		databaseAway(err)
}

// broken is what calls return where a connection is refused or lost, without a net.OpError too.
var broken = []error{
	net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, sql.ErrConnDone,
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
}

// databaseAway reports whether an SQLSTATE says so: class 08 (connection exception), 57P01
// (admin_shutdown), 57P02 (crash_shutdown), 57P03 (cannot_connect_now).
func databaseAway(err error) bool {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return false
	}
	s := state.SQLState()
	return strings.HasPrefix(s, "08") || s == "57P01" || s == "57P02" || s == "57P03"
}
