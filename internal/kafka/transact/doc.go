// Package transact writes records and a consumer group's offsets in Kafka transactions.
//
// A Commit is one transaction. It starts with the first batch (or the offsets) added to it, so an
// empty transaction never starts, and none is open while no Commit runs. Two protocols are
// supported, and the cluster's transaction.version selects one:
//
//   - Version 2 (KIP-890): partitions are added by writing to them, offsets by storing them. The
//     end of a transaction gives the next one a new epoch, with sequences from 0.
//   - Before version 2: AddPartitionsToTxn and AddOffsetsToTxn come first. After a commit, epoch
//     and sequences continue. After an abort, InitProducerID requests a new epoch, since a batch
//     with an unknown outcome may have used up a sequence.
//
// Two checks decide who may write. The transactional id fences an earlier process with the same id.
// The group's member and generation, which go with the offsets (KIP-447), fence a worker that has
// lost its partitions, whatever its id. A transaction may hold the offsets of several members, each
// with its own generation: each is a request of its own, and all are committed or none.
//
// Errors mean:
//
//   - *kafkaerr.FencedError: another process has taken over the id. Permanent.
//   - *StaleError: the group has a newer generation than one of its members in the transaction.
//     Nothing was written. That member's source finds out whether its partitions are lost.
//   - *GoneError: topics of the offsets were deleted. It names their partitions. Nothing was
//     written; without these partitions the transaction can be.
//   - *RefusedError: the coordinator refuses the offsets of the partitions that it names. A
//     transaction is all or nothing, so nothing was written; without these partitions it can be.
//   - *RecordsError: it names the records that cannot be written. Nothing was written.
//   - ErrDoubt: the response to the commit was lost, and the outcome cannot be found out. Each
//     later Commit with one of its partitions fails with ErrDoubt too, until Offsets was called for
//     that partition, since the caller may have missed the first error. The caller must not repeat
//     the work, but continue from the offsets that the group has then. Offsets waits until no
//     transaction on them is open.
//
// An error that ends the transaction but not the producer (a timeout, a coordinator that has lost
// its state) aborts the transaction, and Commit repeats it a few times.
package transact
