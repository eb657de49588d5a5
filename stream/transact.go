package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// CommitWith hands results and the offsets that they came from to transactions: exactly once. n→0; it ends a chain.
//
// A result is held back until its record lies inside the finished prefix of its partition. A transaction then holds exactly the results of the records in
// [old watermark, new watermark), all that became of each, in the order of their records; records that came to nothing move the offsets alone. One begins
// when size records are finished or wait has passed since the first of them (0: by size alone), and always on revoke and drain; it holds up to size records
// of a partition, more only where a Batch has made one result of them. Where size is 1, the element that moves the watermark holds its lane until its
// transaction is committed. MaxPartitions(n) lets at most n partitions take part at a time, in turn.
//
// A transaction that fails is governed by RetryOnError, HaltOnError and FailOnError below; without them the pipeline fails. It is tried as a whole,
// with whatever has finished meanwhile. Timeout bounds each attempt. The side effects of the steps above stay at least once.
//
// Results held back count as in flight (MaxInFlight). Costs one goroutine, and one for each transaction under way.
func (s Stream[T]) CommitWith(tx Transactor[T], size int, wait time.Duration, opts ...StepOption) Stream[T] {
	n := &node{kind: kindTransact, word: "CommitWith", name: sinkName(tx), nilFunc: tx == nil, n: size, wait: wait, each: size == 1, opts: stepOpts(opts)}
	if tx != nil {
		n.sinks = []any{tx}
		n.transact = transactorOf[T]{tx}
	}
	n.keep = func(*step, *part) any { return &resultsOf[T]{} }
	n.link = func(_ *worker, st *step, _ any) any { return linkResults[T](st) }
	return then[T, T](s, n)
}

// Transactor writes results, and the offsets they came from, in one transaction. Commit is never called twice at once, for PerPartition not for the same
// partition. It may also have
//
//   - Open(ctx) error, called before the source starts, and Close(ctx) error, called after the last Commit;
//   - String() string, its name in Describe, and Check() error, what is wrong with its configuration: Build asks before anything connects;
//   - PerPartition() bool: each transaction is of one partition, and those of several partitions run side by side;
//   - CommitsGroup() bool: its transactions store the group's offsets. For any other the source commits them afterwards, so that tools see the lag.
type Transactor[T any] interface {
	// Restore returns the position to go on from in newly assigned partitions, before anything of
	// them is read: what is stored, under the topic id that it was stored with. One that it leaves
	// out goes on from the group's offset, and so does one whose id is not that of parts, which is
	// told as a TopicRecreated. Its error ends the pipeline.
	Restore(ctx context.Context, parts map[TopicPartition]TopicID) (map[TopicPartition]Position, error)

	// Commit makes tx durable as a whole, or returns an error and leaves nothing of it behind: the
	// same results come again, maybe with more. When ctx ends, a partition of it was lost: the
	// transaction is to be given up. A *FencedError says that somebody else has written for a
	// partition: it is let go, restored and gone on with; so is one that a *TopicGoneError names.
	// ErrStaleGroup says that the source's group has moved on: the same results come again, under
	// the generation that it is in then. A *PartialError names the elements (by index) that keep it
	// from being written: only their partitions wait for a retry or are halted, the others go on
	// without them.
	Commit(ctx context.Context, tx Txn[T]) error
}

// ErrStaleGroup: a transaction was refused because the group has gone on to another generation than its GroupMetadata says. No policy applies to that: if the
// partitions are lost, the source finds out.
var ErrStaleGroup = errors.New("the group has gone on to another generation")

// Range is the offsets [From, Next) of a partition, all of them finished. From is where the last
// transaction ended, or what Restore returned, or the group's offset. TopicID is the topic's that
// they are of, to be stored with Next and compared with what is stored; zero: the source has none.
type Range struct {
	From, Next int64
	TopicID    TopicID
}

// Txn is the content of one transaction.
type Txn[T any] struct {
	Elems   []Out[T] // exactly the results of the records in Offsets, by partition, in the order of their records; may be empty
	Offsets map[TopicPartition]Range
	Group   GroupMetadata
}

// GroupMetadata is who a source is in its consumer group, for transactions that are fenced by generation (KIP-447). Zero without a group.
type GroupMetadata struct {
	Group, Member, Instance string
	Generation              int32
}

// GroupSource is a Source that is a member of a consumer group. It is asked before each transaction.
type GroupSource interface{ GroupMetadata() GroupMetadata }

// FencedError says that partitions have another owner: what a Transactor found stored was not where the transaction begins. Partitions nil: all of the
// transaction's.
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
