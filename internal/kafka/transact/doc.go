// Package transact writes records and a consumer group's offsets in Kafka transactions.
//
// A Commit is one transaction: it begins with the first batch (or the offsets) that joins it, so an
// empty one is never begun, and none is open while no Commit runs. Both protocols are spoken, and
// the cluster's transaction.version says which:
//
//   - version 2 (KIP-890): partitions join by being written to, offsets by being stored; ending a
//     transaction gives the next one a new epoch, whose sequences begin at 0;
//   - before it: AddPartitionsToTxn and AddOffsetsToTxn come first; the epoch and the sequences go
//     on after a commit, and after an abort InitProducerID asks for a new epoch, since a batch of
//     unknown fate may have used up a sequence.
//
// Who may write is decided twice. The transactional id bars an earlier process with the same one.
// The group's member and generation, which go with the offsets (KIP-447), bar a worker whose
// partitions have gone elsewhere meanwhile, whatever its id.
//
// What an error means:
//
//   - another one has taken the id over: a *kafkaerr.FencedError, for good;
//   - the group has gone on to another generation: ErrStaleGroup, nothing was written; whether the
//     partitions are lost is the source's to find out;
//   - a topic that offsets are of was deleted: a *GoneError names its partitions, nothing was
//     written, and without them it can be;
//   - records cannot be written: a *RecordsError names them, nothing was written;
//   - what ends the transaction but not the producer (a timeout, a coordinator that has forgotten):
//     aborted, and done again a few times;
//   - the answer to the commit was lost and nobody could be asked: ErrDoubt, and again at each
//     Commit with one of its partitions until Offsets was asked for that one: who calls may not
//     have heard. Nothing may be done again before it is known: who calls goes on from the offsets
//     that the group has then (Offsets waits until no transaction on them is open).
package transact
