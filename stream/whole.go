package stream

import (
	"context"
	"errors"
	"strings"

	"github.com/laneway-go/laneway/internal/outage"
)

// Whole marks an error of a batch, or of a transaction, that says nothing of any one member: the
// database is read-only, a quota is used up. No culprit is looked for then (see Bisect), and the
// policies act on all of it. An error type of your own says so with a method Whole() bool, and with
// false that one member may be to blame, whatever IsWhole takes it for. Whole(nil) is nil.
func Whole(err error) error {
	if err == nil {
		return nil
	}
	return &WholeError{err}
}

// WholeError is the mark that Whole puts on an error. It adds nothing to its text.
type WholeError struct{ Err error }

func (e *WholeError) Error() string { return e.Err.Error() }

// Unwrap returns the marked error.
func (e *WholeError) Unwrap() error { return e.Err }

// Whole says that no member is to blame.
func (e *WholeError) Whole() bool { return true }

// IsWhole reports whether an error of many says nothing of any one of them. It is true where
// errors.As finds a Whole() bool in it that is, and else for timeouts, lost connections, answers
// cut short, cancellations, what Postpone made, an error that asks to wait (RetryAfter), and a
// fenced transaction. Of a database's errors that have a SQLState() string (pgx, lib/pq) all are
// but those of class 22 and 23, the data's: a serialization failure, a lack of rights or of space
// is the whole's. sink.SQL and sink.KafkaTransaction mark theirs.
func IsWhole(err error) bool {
	var marked interface{ Whole() bool }
	if errors.As(err, &marked) {
		return marked.Whole()
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		s := state.SQLState()
		return !strings.HasPrefix(s, "22") && !strings.HasPrefix(s, "23")
	}
	for _, target := range []error{context.Canceled, ErrStaleGroup, ErrNotCalled} {
		if errors.Is(err, target) {
			return true
		}
	}
	return retryAfter(err) > 0 || outage.Is(err)
}
