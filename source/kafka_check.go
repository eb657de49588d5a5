package source

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// name is the name of the source in Describe and in errors.
func (c *KafkaConfig) name() string {
	topics := slices.Sorted(maps.Keys(c.topics()))
	if len(topics) == 0 {
		return "kafka"
	}
	return "kafka " + strings.Join(topics, ", ")
}

// groups are the group, at each broker.
func (c *KafkaConfig) groups() (gs []string) {
	if c.Group == "" {
		return nil
	}
	for _, b := range c.Brokers {
		gs = append(gs, fmt.Sprintf("group %s at %s", c.Group, b))
	}
	return gs
}

// claims are the membership, at each broker: one process cannot be the same member twice.
func (c *KafkaConfig) claims() []string {
	cs := c.groups()
	if c.InstanceID != "" {
		for i := range cs {
			cs[i] += ", instance " + c.InstanceID
		}
	}
	return cs
}

func (c *KafkaConfig) topics() map[string]bool {
	set := map[string]bool{}
	for _, t := range c.Topics {
		set[t] = true
	}
	for tp := range c.Partitions {
		set[tp.Topic] = true
	}
	return set
}

var legalTopic = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// wireMost is the longest time that a request can name.
const wireMost = math.MaxInt32 * time.Millisecond

// faults lists everything that is wrong with the configuration.
func (c *KafkaConfig) faults() []error {
	var all []error
	fault := func(wrong bool, fix, what string, args ...any) {
		if wrong {
			all = append(all, &stream.BuildError{Code: "LW141", Step: "source.Kafka", What: fmt.Sprintf(what, args...), Fix: fix})
		}
	}
	fault(len(c.Brokers) == 0, "set Brokers", "no broker is named")
	for _, b := range c.Brokers {
		_, port, err := net.SplitHostPort(b)
		fault(err != nil || port == "", "write host:port, one address per element", "%q is not a broker address", b)
	}
	grouped, bare := c.Group != "" || len(c.Topics) > 0, len(c.Partitions) > 0
	fault(!grouped && !bare, "set Group and Topics, or Partitions", "there is nothing to read")
	fault(grouped && bare, "set Group and Topics, or Partitions alone", "Partitions are read without a group, but Group or Topics are set too")
	fault(grouped && !bare && c.Group == "", "set Group, or name Partitions to read without one", "Topics are read by a group, and none is named")
	fault(grouped && !bare && len(c.Topics) == 0, "set Topics", "group %q has no topics to read", c.Group)
	fault(c.InstanceID != "" && c.Group == "", "set Group, or leave InstanceID empty", "InstanceID names a member of a group, but there is no group")
	for _, t := range slices.Sorted(maps.Keys(c.topics())) {
		fault(!legalTopic.MatchString(t), "use letters, digits, dot, underscore and dash; patterns are not supported", "%q is not a valid topic name", t)
	}
	for i, t := range c.Topics {
		fault(slices.Contains(c.Topics[:i], t), "name each topic once", "topic %q is named twice", t)
	}
	for _, b := range c.Balancers {
		known := slices.Contains([]Balancer{CooperativeSticky, Sticky, Range, RoundRobin}, b)
		fault(!known, "use CooperativeSticky, Sticky, Range or RoundRobin", "balancer %q is unknown", b)
	}
	for name, d := range map[string]time.Duration{"SessionTimeout": c.SessionTimeout, "HeartbeatInterval": c.HeartbeatInterval, "RebalanceTimeout": c.RebalanceTimeout,
		"ConnectTimeout": c.ConnectTimeout, "UnknownTopicTimeout": c.UnknownTopicTimeout, "MaxWait": c.MaxWait} {
		fault(d < 0, "leave it 0 for the default", "%s is %v", name, d)
		long := (name == "SessionTimeout" || name == "RebalanceTimeout") && d > wireMost
		fault(long, "make it as long as a drain may take", "%s is %v: Kafka counts it in milliseconds, up to %v", name, d, wireMost)
	}
	fault(c.MaxWait > maxWaitMost, "set it to 500 ms or less", "MaxWait is %v: a partition that has room again might wait that long", c.MaxWait)
	session := c.SessionTimeout
	if session == 0 {
		session = 45 * time.Second
	}
	heartbeat, rebalance := cmp.Or(c.HeartbeatInterval, min(3*time.Second, session/3)), cmp.Or(c.RebalanceTimeout, time.Minute)
	fault(rebalance >= 0 && heartbeat > rebalance, "make RebalanceTimeout longer than a drain takes, and HeartbeatInterval a fraction of it",
		"a rebalance of %v may end before a heartbeat, every %v, reports it", rebalance, heartbeat)
	fault(c.HeartbeatInterval >= session, "make HeartbeatInterval a third of SessionTimeout", "a heartbeat every %v cannot keep a session of %v alive", c.HeartbeatInterval, session)
	fault(c.MaxDecompressed < 0, "leave it 0 for the default", "MaxDecompressed is %d", c.MaxDecompressed)
	fault(c.Reset.kind > fail, "set Earliest, Latest or Fail", "Reset is %v: that may be outside the log as well", c.Reset)
	fault(c.Start.kind == atOffset && c.Start.offset < 0, "count from 0", "Start is %v", c.Start)
	for tp, s := range c.Partitions {
		fault(tp.Partition < 0, "partitions count from 0", "partition %v", tp)
		fault(s.From.kind == fail || s.To.kind == fail, "use a position in the log", "the span of %v is from %v to %v", tp, s.From, s.To)
		fault(s.From.kind == atOffset && s.From.offset < 0, "count from 0", "the span of %v begins %v", tp, s.From)
		backward := s.From.kind == s.To.kind && s.From.kind >= atTime && s.To.offset < s.From.offset
		fault(backward || s.To.kind == atOffset && s.To.offset < 0, "put From before To", "the span of %v is from %v to %v", tp, s.From, s.To)
	}
	return all
}
