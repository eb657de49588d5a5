package stream

import (
	"context"
	"fmt"
	"strings"
)

// Transactor writes results and their source offsets in one transaction. Commit is never called
// concurrently; with PerPartition, not concurrently for the same partition. A Transactor may also
// have
//
//   - Open(ctx) error, called before the source starts, and Close(ctx) error, called after the last
//     Commit: see Opener and Closer;
//   - String() string, its name in Describe, and Check() error, for faults in its configuration:
//     see Checker;
//   - PerPartition() bool: each transaction is of one partition, and those of several partitions
//     run in parallel;
//   - CommitsGroup() bool: its transactions store the offsets of the group, which all sources of
//     the chain then share. Otherwise each source commits them afterwards, so that tools see the
//     lag;
//   - StateBytes() int: the largest OffsetRange.State that it stores with an offset, now. Without
//     it, or at 0, halts are not stored: another assignment tries a halted record again.
type Transactor[T any] interface {
	// Restore returns the stored positions of newly assigned partitions, with the topic ids and
	// states they were stored with. It is called before any record of them is read. A partition
	// that it leaves out starts from the offset of the group. So does one whose stored id is not
	// that in parts, with a TopicRecreated event.
	//
	// Until Restore has answered, these partitions wait and the pipeline is not ready; other
	// partitions keep running. ctx ends after the step's Timeout, or 10 s without one, and at once
	// if all of the partitions are lost or the pipeline drains. A failed call is retried without a
	// limit, since waiting loses nothing. The wait is that of the first RetryOnError below that
	// takes the error, at least 100 ms, and otherwise doubles from 100 ms to 5 s. No limit on
	// attempts applies, and no other policy. An error marked Permanent ends the pipeline. Calls for
	// different assignments may run concurrently, also with Commit.
	Restore(ctx context.Context, parts map[TopicPartition]TopicID) (map[TopicPartition]Position, error)

	// Commit makes tx durable as a whole, or returns an error and leaves nothing of it behind.
	// After an error Commit is called again with the same results, and perhaps more. ctx ends if a
	// partition of tx is lost: abort the transaction then.
	//
	//   - *FencedError: another worker has written for a partition. The partition is released and
	//     restored, and continues from there. *TopicGoneError does the same for the partitions it
	//     names.
	//   - *StaleGroupError: the group has a new generation. Commit is called again with the same
	//     results under that generation, a moment later for the partitions it names.
	//   - *CommitError: names the partitions whose offsets are refused, such as those that the user
	//     may not read anymore. They wait, up to 5 s, and then all at once are in a transaction
	//     again; CommitFailed tells of them. The others continue without them. No policy applies.
	//     A drain gives them up.
	//   - *PartialError: names the elements, by index, that keep tx from being written. Only their
	//     partitions wait for a retry or are halted; the others continue without them.
	//   - Any other error fails tx as a whole. Once the attempts are used up, Commit is called with
	//     parts of tx, each with a prefix of the offsets of a partition. If IsWhole reports true,
	//     it is not. If all parts fail alike, the policies act on all records. In one partition
	//     order keeps back all but the first record. Commit is then called once without Elems, and
	//     with Next equal to From: if that fails alike, no record is the culprit.
	Commit(ctx context.Context, tx Txn[T]) error
}

// OffsetRange is a range of finished offsets of a partition: [From, Next). From is the Next of the
// last transaction. In the first one it is the offset that Restore returned, or else the group's.
// TopicID is the id of the topic; zero: the source has no ids. Store it with Next, and compare it
// with the stored id.
//
// State describes the halts at Next and above. Store it with Next, whole or not at all, and let it
// replace the stored one, even if it is empty. If Next equals From, at most the State has changed:
// a halt has started or ended. It is printable ASCII of at most StateBytes.
type OffsetRange struct {
	From, Next int64
	TopicID    TopicID
	State      string
}

// Txn is the content of one transaction.
type Txn[T any] struct {
	// Elems are exactly the results of the records in Offsets, by partition, in the order of their
	// records. May be empty.
	Elems   []Out[T]
	Offsets map[TopicPartition]OffsetRange
	// Groups is by TopicPartition.Source, for each source of Offsets that is a member of a group.
	Groups map[string]GroupMetadata
}

// GroupMetadata identifies a source in its consumer group, for transactions that are fenced by
// generation (KIP-447). Zero without a group.
type GroupMetadata struct {
	Group, Member, Instance string
	Generation              int32
	// LeaderEpochs is the newest leader epoch of the records read from each partition. A Transactor
	// that commits the group's offsets stores it with a State. If the log is truncated later, the
	// epoch shows how much of the State still holds.
	LeaderEpochs map[TopicPartition]int32
}

// GroupSource is a Source that is a member of a consumer group. GroupMetadata is called before each
// transaction.
type GroupSource interface{ GroupMetadata() GroupMetadata }

// StaleGroupError says that a transaction was refused because a source's GroupMetadata has an old
// generation of the group. No policy applies: the next attempt has the new generation, or the
// source loses its partitions. Partitions are those of that source; nil: all of the transaction.
type StaleGroupError struct {
	Partitions []TopicPartition
	Err        error
}

func (e *StaleGroupError) Error() string {
	return fmt.Sprintf("the group has moved on to another generation: %v [LW211]", e.Err)
}

func (e *StaleGroupError) Unwrap() error { return e.Err }

// Whole reports that no single result caused the error: see IsWhole.
func (e *StaleGroupError) Whole() bool { return true }

// FencedError says that partitions have another owner: the stored offset is not the one that the
// transaction starts from. Partitions nil: all partitions of the transaction.
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
	return fmt.Sprintf("%s: %v [LW210]", b.String(), e.Err)
}

func (e *FencedError) Unwrap() error { return e.Err }

// Whole reports that no single result caused the error: see IsWhole.
func (e *FencedError) Whole() bool { return true }
