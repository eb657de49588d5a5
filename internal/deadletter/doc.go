// Package deadletter is what a dead letter says of itself: the headers that sink.DeadLetter adds to
// a record and that ops.Redrive reads.
//
// All are text, so that any tool shows them, and begin with "laneway.". They are bounded: whoever
// reads the topic must not need more memory for the reason than for the record.
package deadletter
