// Package ledger turns tickets that are resolved in any order into a watermark that only moves over
// finished records.
//
// A Ledger belongs to one assignment of one partition. It holds the delivered records in order, in
// slabs; each has a Ticket. A ticket is held by everything that still depends on its record
// (Retain), and comes to rest when the last hold is given back: finished, or unfinished if one of
// the holds was given back by Abandon. The watermark is the end of the longest finished prefix.
// Kafka's offsets have gaps, so nothing here computes offset+1 but behind a finished record.
package ledger
