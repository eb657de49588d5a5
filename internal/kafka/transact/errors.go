package transact

import (
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// RecordsError names the messages that keep a transaction from being written, by index.
type RecordsError struct{ Errs map[int]error }

func (e *RecordsError) Error() string {
	for i, err := range e.Errs {
		return fmt.Sprintf("%d records of the transaction could not be written, so none was: [%d] %v", len(e.Errs), i, err)
	}
	return "records could not be written"
}

// GoneError names partitions whose topics are not there any more under the ids that their offsets
// are of. The transaction was aborted.
type GoneError struct{ Parts []produce.TP }

func (e *GoneError) Error() string {
	return fmt.Sprintf("%d partitions of the transaction are of topics that were deleted, or deleted and made again: %v", len(e.Parts), e.Parts)
}

var (
	// ErrStaleGroup: the group is in another generation than the one the transaction was made in.
	// It was aborted.
	ErrStaleGroup = errors.New("the group has gone on to another generation")
	// ErrDoubt: it is not known whether the transaction was committed.
	ErrDoubt = errors.New("the answer to the transaction's commit was lost: what the group has stored tells how it ended")
)

// abortedError is a transaction that had to be aborted, and can be done again.
type abortedError struct {
	id  string
	err error
}

func (e *abortedError) Error() string {
	return fmt.Sprintf("the transaction of %q was aborted: %v", e.id, e.err)
}

func (e *abortedError) Unwrap() error { return e.err }

// aborts reports whether err ends the transaction but says nothing against its records.
func aborts(err error) bool {
	var code wire.Code
	var late *kafkaerr.DeliveryError
	if errors.As(err, &late) || !errors.As(err, &code) {
		return false
	}
	switch code {
	case wire.InvalidProducerEpoch, wire.ProducerFenced, wire.InvalidTxnState, wire.InvalidProducerIDMapping, wire.UnknownProducerID, wire.OutOfOrderSequence,
		wire.TransactionAbortable, wire.ConcurrentTransactions:
		return true
	}
	return false
}
