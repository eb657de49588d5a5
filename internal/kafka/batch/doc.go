// Package batch decodes the record batches of a fetch response into kafka-go messages, and encodes
// records into batches.
//
// A Set holds what was fetched of one partition. Take returns its next records in order, at most as
// many as asked for. Each Take copies its records into memory of their own, in one piece per batch.
// So the megabytes of a response can be reused at once, and a record that is held for long pins
// only the few kilobytes it came with.
//
// Decoding checks the CRC-32C, sizes, ascending offsets, and the size after decompression. A fault
// is a *kafkaerr.BatchError that names the offset and the start of the next batch. No input causes
// a panic, or an allocation sized by a length field alone.
package batch
