package stream_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/laneway-go/laneway/stream"
)

type sqlState string

func (s sqlState) Error() string    { return "SQLSTATE " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

type ofData struct{ error }

func (ofData) Whole() bool { return false }

func TestIsWhole(t *testing.T) {
	for err, want := range map[error]bool{
		errBoom: false, stream.Permanent(errBoom): false, &stream.PanicError{Value: errBoom}: false,
		sqlState("23505"): false, sqlState("22001"): false, fmt.Errorf("storing: %w", sqlState("23514")): false,
		sqlState("40001"): true, sqlState("42P01"): true, sqlState("53100"): true,
		context.DeadlineExceeded: true, context.Canceled: true, io.ErrUnexpectedEOF: true,
		syscall.ECONNREFUSED: true, fmt.Errorf("writing: %w", syscall.EPIPE): true, syscall.EINVAL: false,
		&net.OpError{Op: "dial", Err: errBoom}: true, fmt.Errorf("asking: %w", &net.DNSError{}): true,
		fmt.Errorf("asking: %w", &tls.CertificateVerificationError{Err: errBoom}): true, &url.Error{Err: tls.RecordHeaderError{}}: true, sql.ErrConnDone: true,
		&stream.FencedError{Err: errBoom}: true, &stream.StaleGroupError{Err: errBoom}: true, stream.Postpone(errBoom, nil): true,
		busyFor(1): true, stream.Whole(errBoom): true, stream.Permanent(stream.Whole(errBoom)): true,
		ofData{context.DeadlineExceeded}: false, fmt.Errorf("storing: %w", stream.Whole(sqlState("23505"))): true,
	} {
		if stream.IsWhole(err) != want {
			t.Errorf("%T %v: want %v", err, err, want)
		}
	}
	if stream.Whole(nil) != nil || stream.IsWhole(nil) {
		t.Error("no error is the whole's")
	}
	if err := stream.Whole(errBoom); !errors.Is(err, errBoom) || err.Error() != errBoom.Error() {
		t.Error(err)
	}
}
