// Package sink has where elements go, by the word To: Kafka writes them to a topic, DeadLetter
// failed records with their reasons, Slice collects them, Chan sends them on, Func writes them with
// a function of yours.
//
// A sink of your own is anything with stream.Sink's Write: it gets what has queued, up to 1,000
// elements of one partition in their order, and returns once they are durable. A
// *stream.PartialError names those that are not; the policies below To decide about them. Open and
// Close are called where it has them; so is Check, which Build asks for what is wrong, before
// anything connects.
package sink
