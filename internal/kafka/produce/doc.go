// Package produce is an idempotent producer: records are acknowledged by every in-sync replica and
// keep their order within a partition.
//
// A Write adds its records to the queues of their partitions, where they share batches with records
// of other Writes. It returns once each of its records is acknowledged or has failed. Two senders
// per broker send the batches of the partitions that the broker leads.
//
// A partition has one batch in flight at a time. The batch keeps its sequence number through every
// retry, so that the broker recognises a duplicate. Order and uniqueness need no more than that.
// When the response is an error:
//
//   - A transient error (no leader, too few replicas, no response) has the same batch sent again
//     with the same sequence, until DeliveryTimeout.
//   - A batch that is too large, or that holds a record refused by the topic, is halved until the
//     offending record is alone. That record fails.
//   - An unexpected sequence means that the partition has lost acknowledged records. The producer
//     raises the epoch and sends the batch again. In a transaction, where only the coordinator
//     raises epochs, the batch fails.
//   - Any other error, and the end of DeliveryTimeout, fails everything queued in the partition:
//     later records must not overtake a record that its owner may write again.
//
// A batch that failed after it was sent may be in the log or still in flight. Its sequence must not
// be used for other records, since the broker would take them for duplicates and drop them. So the
// producer raises the partition's epoch, which also fences the late batch. Epochs are kept per
// partition, as brokers check them per partition.
//
// Records are encoded when they are sent, and the bytes are released with the response. Memory is
// bounded by the bytes in flight (32 MiB), besides the records that the callers of Write hold
// anyway.
package produce
