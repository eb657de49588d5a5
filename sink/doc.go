// Package sink provides the destinations of a chain, for use with the word To. Kafka writes
// elements to a topic. DeadLetter writes failed records with their reasons. Slice collects
// elements, Chan sends them on a channel, Func calls a function of yours.
//
// Any type with the Write method of stream.Sink is a sink. Write gets the queued elements of one
// partition, up to 1,000 of them in order, and returns once they are durable. To fail only some of
// them, it returns a *stream.PartialError that names them, and the policies below To decide what
// happens next. After any other error that is not of the whole (stream.IsWhole), To finds the
// elements that fail. The runtime also calls Open and Close where the type has them. Build calls
// Check, if there is one, to find faults before anything connects.
package sink
