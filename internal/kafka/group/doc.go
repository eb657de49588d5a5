// Package group implements a member of a Kafka consumer group. It joins, keeps its membership with
// heartbeats, starts and releases partitions, and commits offsets under its generation.
//
// What a user can rely on:
//
//   - The group can be shared with any standard client (Java, librdkafka, franz-go, kafka-go), and
//     any of them can lead. The subscription metadata and the four assignors (cooperative-sticky,
//     sticky, range, roundrobin) are those of the consumer protocol.
//   - With cooperative-sticky, a rebalance interrupts only the partitions that move (KIP-429).
//   - Heartbeats continue while OnRevoked drains and commits. A drain may take as long as the
//     rebalance timeout, whatever the session timeout.
//   - A partition is either released (OnRevoked, then committed under the old generation) or lost
//     (OnLost, never committed).
//   - When Run's context ends, the member drains, leaves the group and returns. It abandons a join
//     in flight at once. Only the answer to a first join is awaited, for up to 3 s: it has the id
//     to leave with.
//
// Goroutines: Run's own, one heartbeat per term (a generation of membership), one metadata watch
// per term that leads, and one per callback that must be watched. Run owns all of them and waits
// for each. Commit runs on its caller's goroutine.
package group
