package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requester sends a request and returns its response. An error means that there was no response;
// the Member handles error codes inside a response. Each call's ctx has a deadline.
//
// Group and Commit send to the group's coordinator, over separate connections, so that a heartbeat
// does not wait behind a slow commit. JoinGroup and SyncGroup are answered only once the whole
// group is present, so they must not delay a heartbeat either. The Requester chooses a version
// between the request's MaxVersion and the broker's, and looks for another coordinator where one
// does not answer or has moved.
type Requester interface {
	Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	Commit(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
}

// Config configures the group to join and the callbacks for its partitions.
type Config struct {
	Group string // group.id; required
	// group.instance.id of a static member, which may restart within the session timeout without a
	// rebalance; empty: dynamic
	InstanceID string
	Topics     []string // to subscribe to; required
	// in order of preference; default: CooperativeSticky. Rebalances are cooperative only if all of
	// them are
	Balancers []Balancer

	// without a heartbeat for this long, the group removes the member; 0: 45 s. Brokers refuse less
	// than 6 s
	SessionTimeout    time.Duration
	HeartbeatInterval time.Duration // 0: 3 s, or a third of the session timeout if that is shorter
	// how long a rebalance waits for this member to drain and rejoin; 0: 60 s
	RebalanceTimeout time.Duration
	// how often a leader checks whether the number of partitions has changed; 0: 5 s
	TopicsInterval time.Duration

	// sent to the leader; a leader of another client may prefer partitions in that rack
	Rack string
	// largest Position.State to send; states that brokers refuse lower it
	StateBytes int
	ClientID   string // sent to the broker as the reason for leaving

	Requester Requester
	// Partitions returns the number of partitions of each existing topic. A leader asks for all topics
	// of its group, a restarted static member for its own.
	Partitions func(ctx context.Context, topics []string) (map[string]int32, error)
	// TopicIDs returns the ids of the existing topics, zero if the brokers have none. nil: offsets are
	// stored by topic name alone.
	TopicIDs func(ctx context.Context, topics []string) (map[string][16]byte, error)

	// OnAssigned starts partitions at their committed offsets (-1: none), as soon as those are known.
	// It may be called more than once per assignment. Its ctx ends with Run's and when the membership
	// is lost. An error means that it started none of them, and ends Run unless ctx has ended. It is
	// not called for an assignment without partitions (see the "joined" event).
	OnAssigned func(ctx context.Context, parts map[wire.TopicPartition]Position) error
	// OnRevoked drains and commits partitions; when it returns, they are released. Heartbeats continue
	// and commits are legal during it. Its ctx ends when the group no longer waits, or when the
	// membership is lost. It may run concurrently with OnAssigned, for other partitions.
	OnRevoked func(ctx context.Context, parts []wire.TopicPartition)
	// OnLost reports that partitions may belong to another member already, perhaps while OnRevoked
	// still drains them. It must not block or wait for a Commit.
	OnLost func(err error, parts []wire.TopicPartition)
	// Superseded reports whether ctx is that of a Commit by an assignment of the partition that was
	// lost since, although the partition may be assigned again. It must not block. nil: never.
	Superseded func(ctx context.Context, tp wire.TopicPartition) bool
	// OnHealth reports why this member is not in its group, or that the coordinator has not answered
	// for seconds; nil: healthy. It must not block. May be nil.
	OnHealth func(err error)
	// OnWaiting reports assigned partitions that have waited for seconds for OnAssigned, and why. A nil
	// error means that they no longer wait, although they were not started. It must not block. May be
	// nil.
	OnWaiting func(parts []wire.TopicPartition, err error)
	// OnStateRefused reports that a coordinator refused a Position's State for its size. The offset is
	// stored without it, and so are later offsets whose State is larger than limit. Commit has not
	// returned yet. It must not block. May be nil.
	OnStateRefused func(tp wire.TopicPartition, limit int, err error)
	// OnEvent receives events for logs. It must not block. May be nil.
	OnEvent func(Event)
}

// Event is an event worth a log line.
type Event struct {
	Name string // "waiting", "joined", "rebalance", "revoking", "lost", "retry", "left", "topics"
	Text string
	Err  error
}

// withDefaults returns the configuration with all defaults, or all of its faults.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("group %q: "+format, append([]any{c.Group}, args...)...))
		}
	}
	fault(c.Group == "", "a group needs a name: set Group")
	fault(len(c.Topics) == 0, "a member needs a topic to subscribe to: set Topics")
	fault(c.Requester == nil || c.Partitions == nil, "Requester and Partitions are required")
	fault(c.OnAssigned == nil || c.OnRevoked == nil || c.OnLost == nil, "OnAssigned, OnRevoked and OnLost are required")
	for _, b := range c.Balancers {
		known := slices.Contains([]Balancer{CooperativeSticky, Sticky, Range, RoundRobin}, b)
		fault(!known, "unknown balancer %q: use cooperative-sticky, sticky, range or roundrobin", b)
	}
	c.Topics = slices.Compact(slices.Sorted(slices.Values(c.Topics)))
	if len(c.Balancers) == 0 {
		c.Balancers = []Balancer{CooperativeSticky}
	}
	c.SessionTimeout = orDefault(c.SessionTimeout, 45*time.Second)
	c.HeartbeatInterval = orDefault(c.HeartbeatInterval, min(3*time.Second, c.SessionTimeout/3))
	c.RebalanceTimeout = orDefault(c.RebalanceTimeout, time.Minute)
	c.TopicsInterval = orDefault(c.TopicsInterval, 5*time.Second)
	fault(c.HeartbeatInterval >= c.SessionTimeout, "a heartbeat every %v cannot keep a session of %v alive: make HeartbeatInterval a third of SessionTimeout",
		c.HeartbeatInterval, c.SessionTimeout)
	if c.Superseded == nil {
		c.Superseded = func(context.Context, wire.TopicPartition) bool { return false }
	}
	if c.OnHealth == nil {
		c.OnHealth = func(error) {}
	}
	if c.OnWaiting == nil {
		c.OnWaiting = func([]wire.TopicPartition, error) {}
	}
	if c.OnStateRefused == nil {
		c.OnStateRefused = func(wire.TopicPartition, int, error) {}
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	return c, errors.Join(faults...)
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// cooperative reports whether partitions are kept through a rebalance. If one balancer is eager,
// the group may choose it after this member has joined. The member must then join without
// partitions.
func (c *Config) cooperative() bool {
	for _, b := range c.Balancers {
		if b != CooperativeSticky {
			return false
		}
	}
	return true
}

// drainTime is how long OnRevoked may take: the rebalance timeout, less the delay of the heartbeat
// that reports the rebalance, and the time for the last commit and the join to reach the
// coordinator.
func (c *Config) drainTime() time.Duration {
	return c.RebalanceTimeout - min(c.HeartbeatInterval+min(c.RebalanceTimeout/10, 3*time.Second), c.RebalanceTimeout/2)
}
