// Package ledger computes a watermark from tickets that finish in any order: the offset up to which
// every record has finished.
//
// A Ledger belongs to one assignment of one partition. It holds the delivered records in order, in
// slabs, with a Ticket for each. Everything that still depends on a record holds its ticket
// (Retain). The ticket settles when the last hold is released: finished, or unfinished if a hold
// was released by Abandon. The watermark is the end of the longest finished prefix. Kafka's offsets
// have gaps, so offset+1 is computed only after a finished record.
package ledger
