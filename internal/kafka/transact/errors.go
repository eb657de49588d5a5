package transact

import (
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// RecordsError names the messages that cannot be written, by index.
type RecordsError struct{ Errs map[int]error }

func (e *RecordsError) Error() string {
	for i, err := range e.Errs {
		return fmt.Sprintf("%d records of the transaction cannot be written, so none was: [%d] %v [LW319]", len(e.Errs), i, err)
	}
	return "records could not be written [LW319]"
}

// RefusedError names partitions whose offsets the group's coordinator refuses, such as those of
// topics that the user may not read. The transaction was aborted.
type RefusedError struct {
	Errs map[wire.TopicPartition]error
}

func (e *RefusedError) Error() string {
	for tp, err := range e.Errs {
		return fmt.Sprintf("%d offsets of the transaction are refused, so nothing was written: %v: %v", len(e.Errs), tp, err)
	}
	return "offsets are refused"
}

// GoneError names partitions whose topics no longer exist under the ids of their offsets. The
// transaction was aborted.
type GoneError struct{ Parts []wire.TopicPartition }

func (e *GoneError) Error() string {
	return fmt.Sprintf("%d partitions of the transaction belong to topics that were deleted or recreated: %v [LW212]", len(e.Parts), e.Parts)
}

// StaleError says that the group is in another generation than a member's share of the transaction,
// and names the partitions of that share. The transaction was aborted.
type StaleError struct {
	Member string
	Parts  []wire.TopicPartition
	Err    error
}

func (e *StaleError) Error() string { return "the group has a newer generation: " + e.Err.Error() }
func (e *StaleError) Unwrap() error { return e.Err }

// ErrDoubt says that the transaction may or may not be committed.
var ErrDoubt = errors.New("the response to the transaction's commit was lost: the group's stored offsets show the outcome [LW320]")

// abortedError reports a transaction that was aborted and can be repeated.
type abortedError struct {
	id  string
	err error
}

func (e *abortedError) Error() string {
	return fmt.Sprintf("the transaction of %q was aborted: %v [LW321]", e.id, e.err)
}

func (e *abortedError) Unwrap() error { return e.err }

// aborts reports whether err ends the transaction without blaming its records.
func aborts(err error) bool {
	var late *kafkaerr.DeliveryError
	return !errors.As(err, &late) && wire.CodeOf(err).In(wire.Abort)
}
