package source

import (
	"time"

	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// KafkaConfig configures what to read from Kafka: as a member of a consumer group (Group and
// Topics), or without a group (Partitions). Every other field has a default at its zero value.
type KafkaConfig struct {
	// Brokers are the addresses, host:port, to connect to first: two or three of the cluster's brokers,
	// or names that resolve to them. The other brokers are discovered. All must belong to one cluster.
	Brokers []string

	// Group is the consumer group (group.id). Its members, of any client, share the partitions of their
	// topics. Reading starts at the group's committed offsets. The user needs READ on the group.
	Group string

	// Topics are read by name, all partitions of each. Partitions added later are discovered. The user
	// needs READ and DESCRIBE on the topics. A missing topic ends Run after UnknownTopicTimeout;
	// the others are read until then. Reading never creates a topic.
	Topics []string

	// Partitions are read without a group, each from the start of its Span: for replays, tools and
	// tests. Nothing is committed, so Build refuses a chain with a commit. If every Span has an end,
	// Run ends with the last of them. If a topic is recreated, its Spans are looked up in the new
	// one. Not together with Group or Topics.
	Partitions map[stream.TopicPartition]Span

	// Transport provides Dial, DialTimeout, IdleTimeout, TLS, SASL, Resolver and ClientID; nil means
	// plain TCP. The source only reads these fields, so a Transport may be shared. Run ends at once
	// with wrong credentials, an untrusted certificate, a group that the user may not join, or if the
	// user may read none of the topics. If the user may not read some of the topics, their partitions
	// wait and the others are read.
	Transport *kafka.Transport

	// ClientID is the name of this client in the brokers' logs and quotas (client.id). Default: the
	// Transport's.
	ClientID string

	// Rack is the location of this worker (client.rack). If the brokers have a rack-aware
	// replica.selector.class, records are read from a replica in the same rack. That costs less and
	// lags a little more. Default: none, read from leaders.
	Rack string

	// InstanceID makes this a static member (group.instance.id). It may restart within SessionTimeout
	// without a rebalance. It does not leave the group when it stops, so its partitions wait for that
	// long. Each running worker needs its own ID: a second worker with the same ID fences the first.
	// Default: none. A member that stops leaves, and its partitions go to the others at once.
	InstanceID string

	// Balancers assign the partitions to the members, in order of preference
	// (partition.assignment.strategy). The members of a group need one in common. Default:
	// CooperativeSticky alone, so that a rebalance stops only the partitions that move. With an eager
	// one in the list, every rebalance stops and drains all partitions. To move an eager group to a
	// cooperative balancer, deploy with both first, then with CooperativeSticky alone.
	Balancers []Balancer

	// SessionTimeout is how long the group waits for a heartbeat before it removes this worker and
	// reassigns its partitions (session.timeout.ms). Default 45 s. A shorter one replaces a dead
	// worker sooner, but also removes a paused one (a long GC, a frozen VM). Brokers accept 6 s to
	// 30 min (group.min.session.timeout.ms, group.max.session.timeout.ms).
	SessionTimeout time.Duration

	// HeartbeatInterval is the time between heartbeats, and so how soon a rebalance is noticed
	// (heartbeat.interval.ms). Default 3 s. Use at most a third of SessionTimeout, so that two
	// heartbeats may be lost.
	HeartbeatInterval time.Duration

	// RebalanceTimeout is how long a rebalance waits for this worker to drain the partitions that it
	// gives up (max.poll.interval.ms, as a rebalance timeout). Default 60 s. If it is shorter than a
	// handler takes, unfinished records are cancelled and redelivered to the next owner. If it is
	// longer, one slow handler delays the whole group. DrainTimeout bounds a drain too.
	RebalanceTimeout time.Duration

	// Start is where to start reading a partition for which the group has no offset
	// (auto.offset.reset): Earliest (default), Latest, At a time, AtOffset, or Fail to end Run. A
	// recreated topic is another topic, without an offset (stream.TopicRecreated). With Latest,
	// records written before the first commit are never read, nor records written to a new
	// partition before it is discovered.
	Start Position

	// Reset is where to continue if the wanted offset is not in the log, because retention deleted it
	// or the log was truncated: Earliest (default), Latest, or Fail to end Run. It is reported as a
	// stream.OffsetReset.
	Reset Position

	// ReadUncommitted also reads records of open and aborted transactions (isolation.level). Default:
	// false, read_committed. Records become visible when their transaction is committed, and lag is
	// counted to the first open transaction.
	ReadUncommitted bool

	// ConnectTimeout is how long Run tries to reach the first broker before it ends with an error.
	// Default 1 min. If it is shorter than a restart of the cluster, a worker that starts during the
	// restart fails. Once connected, the source waits for the end of any outage; Pipeline.Ready reports
	// it.
	ConnectTimeout time.Duration

	// UnknownTopicTimeout is how long a topic may be unknown, at the start or later, before Run ends.
	// Default 1 min. Some brokers do not know a new topic for about a second.
	UnknownTopicTimeout time.Duration

	// MaxWait is how long a broker holds a fetch while there are no records (fetch.max.wait.ms).
	// Default 500 ms, which is also the maximum. It adds no delay: the broker answers as soon as a
	// record arrives. A shorter one makes more requests while idle.
	MaxWait time.Duration

	// MaxDecompressed is the largest size, in bytes, that one batch may decompress to. Default 64 MiB.
	// A larger batch halts its partition. It protects memory against a hostile producer: the topic's
	// max.message.bytes bounds only the compressed size.
	MaxDecompressed int
}

// Balancer names a strategy that assigns partitions to the members of a group.
type Balancer = group.Balancer

const (
	// CooperativeSticky keeps partitions with their members; a rebalance stops only the partitions that
	// move (KIP-429).
	CooperativeSticky = group.CooperativeSticky
	Sticky            = group.Sticky     // the same assignment, but eager: a rebalance stops all
	Range             = group.Range      // consecutive partitions of each topic; eager
	RoundRobin        = group.RoundRobin // all partitions in turn; eager
)

// withDefaults fills in the defaults that the packages below do not set.
func (c KafkaConfig) withDefaults() KafkaConfig {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = time.Minute
	}
	if c.UnknownTopicTimeout == 0 {
		c.UnknownTopicTimeout = time.Minute
	}
	if c.MaxWait == 0 {
		c.MaxWait = maxWaitMost
	}
	return c
}

// maxWaitMost bounds how long a partition that has room again waits for the others.
const maxWaitMost = 500 * time.Millisecond
