// Package wire carries kmsg requests to Kafka brokers over the connections of a kafka-go Transport.
//
// kafka-go dials, speaks TLS and SASL and pools the connections; kmsg spells the messages; this
// package decides which broker a request goes to, in which version, for how long, and what its
// failure means. It keeps its own view of brokers, leaders and group coordinators, because the one
// inside a Transport is refreshed by time only.
//
// A Client uses Transports of its own for fetches, group control, commits, produced batches,
// transactions and everything else: a broker that throttles or stalls one of them mutes that
// connection, and a heartbeat must not wait behind it.
//
// What a caller matches errors against: *kafkaerr.AuthError (credentials or certificate refused),
// *kafkaerr.UnreachableError (no answer), *UnsupportedError (no version in common), Code (the
// broker's answer). Fatal says which of them no retry can mend.
package wire
