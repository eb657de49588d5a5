// Package produce writes records to Kafka: idempotent, acknowledged by every in-sync replica, in
// order per partition.
//
// A Write shares out its records to the queues of their partitions, where they become batches
// together with those of other Writes, and returns when each of its own has been acknowledged or
// has failed. Two senders per broker take what is ready from the queues of the partitions that it
// leads.
//
// A partition has one batch on its way at a time, and that batch keeps its sequence number through
// every retry, so that the broker recognises one that it has already: order and uniqueness need no
// more than that. What the rules are when an answer is an error:
//
//   - what may be different later (no leader, too few replicas, no answer) is sent again, the same
//     batch under the same sequence, until DeliveryTimeout;
//   - a batch that is too large, or holds a record that the topic does not take, is halved until
//     the culprit is alone, and that one fails;
//   - a sequence that the broker does not expect means that the partition has lost what was
//     acknowledged: the epoch is raised, and the batch sent; in a transaction, whose epoch is the
//     coordinator's to raise, it fails;
//   - anything else, and the end of DeliveryTimeout, fails what is queued in that partition, all of
//     it: what came later must not overtake a record that its owner may write again.
//
// A batch that failed after it was sent may be in the log or still on its way. Its sequence must
// not be given to other records, which the broker would take for a repetition and drop, so the
// partition's epoch is raised, which also bars the late one. Epochs are kept per partition, since
// that is how brokers check them.
//
// Records are encoded when they are sent and forgotten when the answer is there, so that memory is
// bounded by what is on its way (32 MiB), beside the records that the callers of Write hold anyway.
package produce
