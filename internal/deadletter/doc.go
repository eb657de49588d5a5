// Package deadletter defines the headers of a dead letter, which sink.DeadLetter adds to a record
// and ops.Redrive reads.
//
// All are text, so that any tool can show them, and begin with "laneway.". Their size is bounded,
// so that a reader of the topic does not need more memory for the failure than for the record.
package deadletter
