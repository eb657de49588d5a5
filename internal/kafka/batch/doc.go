// Package batch turns the record batches of a fetch answer into kafka-go messages.
//
// A Set is what was fetched of one partition. Take hands out its records in order, at most as many
// as asked for, and remembers where it stopped. Each Take copies what it hands out into memory of
// its own, in one piece per batch: the megabytes of an answer can be used again at once, and a
// record that is held for long pins the few kilobytes it came with, not the whole answer.
//
// Checked on the way: CRC-32C, sizes, offsets in ascending order, and the size of what is
// decompressed. What is wrong is an *kafkaerr.BatchError that names the offset and where the next
// batch begins. Nothing here panics or allocates by the word of a length field alone.
package batch
