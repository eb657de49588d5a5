package source

import (
	"time"

	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// KafkaConfig says what to read from Kafka, as a member of a consumer group (Group and Topics) or
// without one (Partitions). The zero value of every other field is its default.
type KafkaConfig struct {
	// Brokers are addresses, host:port, to start from: two or three of the cluster's brokers, or
	// what resolves to them. The others are learned. All must belong to one cluster.
	Brokers []string

	// Group is the consumer group (group.id). Its members, of whatever client, share the partitions
	// of their topics, and its committed offsets are where reading goes on. The user needs READ on
	// it.
	Group string

	// Topics are read by name, all partitions of each; partitions that are added later are noticed.
	// The user needs READ and DESCRIBE on them. A topic that does not exist is an error after
	// UnknownTopicTimeout, and is never made by reading it.
	Topics []string

	// Partitions are read without a group, each from where its Span says: for replays, tools and
	// tests. Nothing is committed, so a chain with a commit is refused. Where every Span has an
	// end, Run ends with the last of them. Not together with Group or Topics.
	Partitions map[stream.TopicPartition]Span

	// Transport is whose Dial, DialTimeout, IdleTimeout, TLS, SASL, Resolver and ClientID are used;
	// nil: plain TCP. It is read, never used itself, and may be shared. Wrong credentials, an
	// untrusted certificate, a group that may not be joined, and topics none of which may be read,
	// end Run at once. Where some topics may not be read, their partitions wait and the others are
	// read.
	Transport *kafka.Transport

	// ClientID is what brokers log and set quotas by (client.id). Default: the Transport's.
	ClientID string

	// Rack is where this worker runs (client.rack). Where brokers have a replica.selector.class
	// that minds racks, records are then read from a replica of the same one, which costs less and
	// lags a little more. Default: none, leaders are read.
	Rack string

	// InstanceID makes this a static member (group.instance.id): it may restart within
	// SessionTimeout without a rebalance, and it does not leave the group when it stops, so its
	// partitions wait for that long. Each running worker needs one of its own: a second one with
	// the same throws the first out. Default: none, a member that stops leaves and its partitions
	// go to the others at once.
	InstanceID string

	// Balancers spread the partitions over the members, in order of preference
	// (partition.assignment.strategy); the members of a group must have one in common. Default:
	// CooperativeSticky alone, with which a rebalance stops only the partitions that move. With an
	// eager one among them, every rebalance stops and drains all. To leave an eager group for a
	// cooperative one, deploy with both first, then with CooperativeSticky alone.
	Balancers []Balancer

	// SessionTimeout is how long the group waits for a heartbeat before it takes this worker for
	// dead and gives its partitions away (session.timeout.ms). Default 45 s. Shorter: a dead worker
	// is replaced sooner, a paused one (a long GC, a frozen VM) is taken for dead. Brokers accept 6
	// s to 30 min (group.min.session.timeout.ms, group.max.session.timeout.ms).
	SessionTimeout time.Duration

	// HeartbeatInterval is how often heartbeats are sent, and so how soon a rebalance is noticed
	// (heartbeat.interval.ms). Default 3 s. A third of SessionTimeout at most, so that two may be
	// lost.
	HeartbeatInterval time.Duration

	// RebalanceTimeout is how long a rebalance waits for this worker to drain what it has to give
	// up (max.poll.interval.ms, as a rebalance timeout). Default 60 s. Shorter than a handler may
	// take: what is unfinished when it ends is cancelled and done again by the next owner. Longer:
	// one slow handler keeps the whole group from going on. DrainTimeout bounds it too.
	RebalanceTimeout time.Duration

	// Start is where a partition begins for which the group has no offset (auto.offset.reset):
	// Earliest (default), Latest, At a time, AtOffset, or Fail to end Run. A topic that was
	// deleted and made again is another one, for which there is none (stream.TopicRecreated). With
	// Latest, records that are written before the first commit, or to a new partition before it is
	// noticed, are never read.
	Start Position

	// Reset is where to go on when the offset wanted is not in the log, because retention was
	// faster or the log was cut off: Earliest (default), Latest, or Fail to end Run. It is told
	// as a stream.OffsetReset.
	Reset Position

	// ReadUncommitted reads records of open and aborted transactions too (isolation.level).
	// Default: false, read_committed: records become visible when their transaction is committed,
	// and lag is counted to the first open one.
	ReadUncommitted bool

	// ConnectTimeout is how long Run tries to reach the first broker before it ends with an error.
	// Default 1 min. Shorter than a cluster's restart, and a worker that starts meanwhile fails.
	// Once connected, outages are waited out for as long as they last; Pipeline.Ready tells of
	// them.
	ConnectTimeout time.Duration

	// UnknownTopicTimeout is how long a topic may be unknown, at the start or later, before Run
	// ends. Default 1 min. A topic that was just made is unknown to some brokers for a second or
	// so.
	UnknownTopicTimeout time.Duration

	// MaxWait is how long a broker holds a fetch when there are no records (fetch.max.wait.ms).
	// Default 500 ms, which is also the most. It is no delay: a record that comes is answered at
	// once. Shorter: more requests while idle.
	MaxWait time.Duration

	// MaxDecompressed is how many bytes one batch may decompress to. Default 64 MiB. A batch beyond
	// it halts its partition. It guards memory against a hostile producer: the topic's
	// max.message.bytes bounds only the compressed size.
	MaxDecompressed int
}

// Balancer names how partitions are spread over the members of a group.
type Balancer = group.Balancer

const (
	// keeps partitions where they are; a rebalance stops only those that move (KIP-429)
	CooperativeSticky = group.CooperativeSticky
	Sticky            = group.Sticky     // the same assignment, eager: a rebalance stops all
	Range             = group.Range      // consecutive partitions of each topic; eager
	RoundRobin        = group.RoundRobin // all partitions in turn; eager
)

// withDefaults fills the gaps that are not left to the rooms below.
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

// maxWaitMost keeps a partition that gets room again from waiting long for others.
const maxWaitMost = 500 * time.Millisecond
