package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Transactor writes results, and the offsets they came from, in one transaction. Commit is never
// called twice at once, for PerPartition not for the same partition. It may also have
//
//   - Open(ctx) error, called before the source starts, and Close(ctx) error, called after the last
//     Commit;
//   - String() string, its name in Describe, and Check() error, what is wrong with its
//     configuration: Build asks before anything connects;
//   - PerPartition() bool: each transaction is of one partition, and those of several partitions
//     run side by side;
//   - CommitsGroup() bool: its transactions store the group's offsets. For any other the source
//     commits them afterwards, so that tools see the lag.
type Transactor[T any] interface {
	// Restore returns the position to go on from in newly assigned partitions, before anything of
	// them is read: what is stored, under the topic id that it was stored with. One that it leaves
	// out goes on from the group's offset, and so does one whose id is not that of parts, which is
	// told as a TopicRecreated. Until it has answered, these partitions wait, the pipeline is not
	// ready, and other partitions go on. ctx ends after 10 s or the step's Timeout, and at once
	// when the partitions are lost or the pipeline drains. An error is tried again for as long as
	// it takes, since waiting loses nothing: after the wait of the RetryOnError below that takes
	// it, at least 100 ms, else after 100 ms doubling to 5 s. How many attempts a policy allows
	// does not matter, and no other policy applies. An error marked Permanent ends the pipeline.
	// Several calls may run at once, for different assignments, also beside Commit.
	Restore(ctx context.Context, parts map[TopicPartition]TopicID) (map[TopicPartition]Position, error)

	// Commit makes tx durable as a whole, or returns an error and leaves nothing of it behind: the
	// same results come again, maybe with more. When ctx ends, a partition of it was lost: the
	// transaction is to be given up. A *FencedError says that somebody else has written for a
	// partition: it is let go, restored and gone on with; so is one that a *TopicGoneError names.
	// ErrStaleGroup says that the source's group has moved on: the same results come again, under
	// the generation that it is in then. A *PartialError names the elements (by index) that keep it
	// from being written: only their partitions wait for a retry or are halted, the others go on
	// without them. After any other error that IsWhole does not take for the whole's, and once the
	// attempts are used up, parts of tx come, each with a prefix of a partition's offsets.
	Commit(ctx context.Context, tx Txn[T]) error
}

// ErrStaleGroup: a transaction was refused because the group has gone on to another generation than
// its GroupMetadata says. No policy applies to that: if the partitions are lost, the source finds
// out.
var ErrStaleGroup = errors.New("the group has gone on to another generation")

// OffsetRange is the offsets [From, Next) of a partition, all of them finished. From is where the
// last transaction ended, or what Restore returned, or the group's offset. TopicID is the topic's
// that they are of, to be stored with Next and compared with what is stored; zero: the source has
// none.
type OffsetRange struct {
	From, Next int64
	TopicID    TopicID
}

// Txn is the content of one transaction.
type Txn[T any] struct {
	// exactly the results of the records in Offsets, by partition, in the order of their records;
	// may be empty
	Elems   []Out[T]
	Offsets map[TopicPartition]OffsetRange
	Group   GroupMetadata
}

// GroupMetadata is who a source is in its consumer group, for transactions that are fenced by
// generation (KIP-447). Zero without a group.
type GroupMetadata struct {
	Group, Member, Instance string
	Generation              int32
}

// GroupSource is a Source that is a member of a consumer group. It is asked before each
// transaction.
type GroupSource interface{ GroupMetadata() GroupMetadata }

// FencedError says that partitions have another owner: what a Transactor found stored was not where
// the transaction begins. Partitions nil: all of the transaction's.
type FencedError struct {
	Partitions []TopicPartition
	Err        error
}

func (e *FencedError) Error() string {
	var b strings.Builder
	b.WriteString("another owner has written")
	for i, tp := range e.Partitions {
		if i == 0 {
			b.WriteString(" for")
		}
		fmt.Fprintf(&b, " %v", tp)
	}
	return fmt.Sprintf("%s: %v", b.String(), e.Err)
}

func (e *FencedError) Unwrap() error { return e.Err }

// Whole says that it is of no result: see IsWhole.
func (e *FencedError) Whole() bool { return true }
