// Package group is a member of a Kafka consumer group: it joins, keeps its place with heartbeats,
// is given partitions and gives them up, and commits offsets under its generation.
//
// What its user gets:
//
//   - A group shared with any standard client (Java, librdkafka, franz-go, kafka-go), whichever of
//     them leads: the subscription metadata and the four assignors (cooperative-sticky, sticky,
//     range, roundrobin) are those of the consumer protocol.
//   - Under cooperative-sticky a rebalance interrupts only the partitions that move (KIP-429).
//   - Heartbeats go on while OnRevoked drains and commits, so a drain may take as long as the
//     rebalance timeout, whatever the session's.
//   - A partition is either released (OnRevoked, then committed under the old generation) or lost
//     (OnLost, never committed).
//   - When Run's context ends it drains, leaves the group and returns; a join in flight is given up
//     at once.
//
// The life of a Member, one file each: join.go (JoinGroup and SyncGroup), lead.go (the leader's
// assignment), heartbeat.go, adopt.go (what a new assignment starts and releases), offsets.go
// (where partitions start), lose.go, commit.go, states.go (how large what is committed may be),
// leave.go; member.go ties them together, static.go looks after static members that come back with
// other topics. One generation of membership is a term.
//
// Goroutines: Run's own (the life cycle), one heartbeat per term, one metadata watch per term that
// leads, and one per callback that has to be watched. All are owned by Run, which waits for each.
// Commit runs on its caller's.
package group
