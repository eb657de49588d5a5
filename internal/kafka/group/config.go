package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requester sends a request and gives its response. An error means that none came; error codes
// inside a response are the Member's business. Every call's ctx has a deadline. Group and Commit go
// to the group's coordinator, over connections of their own: a heartbeat must not wait behind a
// commit that a broker holds up. JoinGroup and SyncGroup are answered only when the whole group is
// there, so they must not hold up a heartbeat either. The version is chosen between the request's
// MaxVersion and the broker's. A Requester that has a method Moved(group string) is told when the
// coordinator it remembers is not, or no longer, the right one.
type Requester interface {
	Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	Commit(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
}

// refresher is a Requester that remembers coordinators and can be told that one has moved.
type refresher interface{ Moved(group string) }

// Config says which group to join and what to do with the partitions it gives.
type Config struct {
	Group string // group.id; required
	// group.instance.id: a static member, which may restart within the session timeout without a
	// rebalance; empty: dynamic
	InstanceID string
	Topics     []string // what to subscribe to; required
	// in order of preference; none: CooperativeSticky. Rebalances are cooperative only if all of
	// these are
	Balancers []Balancer

	// without a heartbeat for so long the member is taken for dead; 0: 45 s. Brokers refuse less
	// than 6 s
	SessionTimeout    time.Duration
	HeartbeatInterval time.Duration // 0: 3 s, or a third of the session timeout if that is less
	// how long a rebalance waits for this member to drain and rejoin; 0: 60 s
	RebalanceTimeout time.Duration
	// how often a leader looks whether the number of partitions has changed; 0: 5 s
	TopicsInterval time.Duration

	// told to the leader; a leader of another client may prefer partitions of that rack
	Rack     string
	ClientID string // told to the operator, as the reason of a leave

	Requester Requester
	// Partitions gives the number of partitions of each topic; topics that do not exist are left
	// out. A leader asks for all that its group reads, a static member that restarts for its own.
	Partitions func(ctx context.Context, topics []string) (map[string]int32, error)
	// TopicIDs gives the ids of those topics that exist, zero where the brokers have none. nil:
	// offsets go by the names of topics alone.
	TopicIDs func(ctx context.Context, topics []string) (map[string][16]byte, error)

	// OnAssigned starts partitions from their committed offset (-1: none is), as soon as that is
	// known: for what one assignment brings it may be called more than once. Its ctx ends with
	// Run's and when the membership is lost. An error means that none of them was taken, and ends
	// Run unless ctx has ended. An assignment without partitions calls nothing (see the "joined"
	// event).
	OnAssigned func(ctx context.Context, parts map[TP]Position) error
	// OnRevoked drains partitions and commits them; when it returns they are given up. Heartbeats
	// go on meanwhile, and commits are legal. Its ctx ends when the group no longer waits, or the
	// membership is lost. It may run at the same time as OnAssigned, with other partitions.
	OnRevoked func(ctx context.Context, parts []TP)
	// OnLost tells that partitions are another's already, perhaps while OnRevoked still drains
	// them. It must not block or wait for a Commit.
	OnLost func(err error, parts []TP)
	// Superseded reports whether a Commit with that ctx was asked for by an assignment of the
	// partition that was lost meanwhile, though it may be assigned again. It must not block. May be
	// nil: never.
	Superseded func(ctx context.Context, tp TP) bool
	// OnHealth tells why this member has no place in its group, or hears nothing from the
	// coordinator for seconds; nil: all is well. It must not block. May be nil.
	OnHealth func(err error)
	// OnWaiting tells which assigned partitions have been waiting for seconds to be given to
	// OnAssigned, and why; with nil that they are waited for no longer, though they were not. It
	// must not block. May be nil.
	OnWaiting func(parts []TP, err error)
	// OnStateRefused tells that a coordinator has refused a Position's State for its size: the
	// offset is stored without it, and so is every one with a State larger than limit from then on.
	// Commit has not returned yet. It must not block. May be nil.
	OnStateRefused func(tp TP, limit int, err error)
	// OnEvent tells what happens, for logs. It must not block. May be nil.
	OnEvent func(Event)
}

// Event is something worth a line in a log.
type Event struct {
	Name string // "waiting", "joined", "rebalance", "revoking", "lost", "retry", "left", "topics"
	Text string
	Err  error
}

// withDefaults is the configuration with every gap filled, or all that is wrong with it.
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
		c.Superseded = func(context.Context, TP) bool { return false }
	}
	if c.OnHealth == nil {
		c.OnHealth = func(error) {}
	}
	if c.OnWaiting == nil {
		c.OnWaiting = func([]TP, error) {}
	}
	if c.OnStateRefused == nil {
		c.OnStateRefused = func(TP, int, error) {}
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

// cooperative tells whether partitions are kept through a rebalance. One eager balancer among those
// offered, and the group may choose it after this member has joined, so it must join with nothing.
func (c *Config) cooperative() bool {
	for _, b := range c.Balancers {
		if b != CooperativeSticky {
			return false
		}
	}
	return true
}

// drainTime is how long OnRevoked may take: the rebalance timeout, less the heartbeat that was late
// to tell of it, and what the last commit and the join need to reach the coordinator.
func (c *Config) drainTime() time.Duration {
	return c.RebalanceTimeout - min(c.HeartbeatInterval+min(c.RebalanceTimeout/10, 3*time.Second), c.RebalanceTimeout/2)
}
