package stream

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/outage"
)

// Whole marks an error of a batch or a transaction as one that no single member caused, such as a
// read-only database or an exhausted quota. No culprit is searched then (see Bisect), and the
// policies act on all members. An error type of your own can have a method Whole() bool instead:
// true says the same, false says that a member may be the cause, even if IsWhole would assume
// otherwise. Whole(nil) is nil.
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

// Whole reports that no single member caused the error.
func (e *WholeError) Whole() bool { return true }

// IsWhole reports whether no single member of a batch or a transaction caused the error. If
// errors.As finds a Whole() bool in it, that decides. Otherwise it is true for timeouts, lost or
// untrusted connections, truncated answers, cancellations, errors made by Postpone, errors that ask
// for a wait (RetryAfter), ErrNotCalled, and transactions that were fenced. For database errors
// with a SQLState() string (pgx, lib/pq) it is false for classes 22 and 23, which concern the data,
// and true for all others: a serialization failure, missing rights or missing space concerns the
// whole. sink.SQL and sink.KafkaTransaction mark their own errors, and a step those of attempts
// that outlast its Timeout.
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
	for _, target := range []error{context.Canceled, ErrNotCalled} {
		if errors.Is(err, target) {
			return true
		}
	}
	return retryAfter(err) > 0 || outage.Is(err)
}

// retryAfter returns the longest wait that an error, or one that it wraps, asks for; 0: none does.
func retryAfter(err error) (longest time.Duration) {
	var asks interface{ RetryAfter() time.Duration }
	if !errors.As(err, &asks) { // it may have an As of its own
		return 0
	}
	longest = max(0, asks.RetryAfter())
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case interface{ Unwrap() error }:
		longest = max(longest, retryAfter(e.Unwrap()))
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			longest = max(longest, retryAfter(err))
		}
	}
	return longest
}
