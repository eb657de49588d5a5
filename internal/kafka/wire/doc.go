// Package wire sends kmsg requests to Kafka brokers over the connections of a kafka-go Transport.
//
// kafka-go dials, handles TLS and SASL, and pools the connections; kmsg encodes the messages. This
// package chooses the broker, the version and the timeout of a request, and classifies its
// failures. It keeps its own view of brokers, leaders and coordinators, since a Transport's is
// refreshed only by time.
//
// A Client uses separate Transports for fetches, group control, commits, produced batches,
// transactions and everything else. A broker that throttles or stalls one of them blocks that
// connection, and a heartbeat must not wait behind it.
//
// Callers match errors against *kafkaerr.AuthError (credentials or certificate refused),
// *kafkaerr.UnreachableError (no response), *UnsupportedError (no version in common) and Code (the
// broker's error code). Fatal reports which of them no retry can fix.
package wire
