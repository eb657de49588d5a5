package source_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listened is a running chain with its events and health.
type listened struct {
	*running
	*stream.Pipeline
	events chan stream.Event
}

func listen(t *testing.T, s stream.Stream[kafka.Message], opts ...stream.Option) *listened {
	t.Helper()
	events := make(chan stream.Event, 1000)
	p, err := s.Build(append(opts, stream.Observe(stream.Observer{Event: func(e stream.Event) {
		select {
		case events <- e:
		default:
		}
	}}))...)
	if err != nil {
		t.Fatal(err)
	}
	return &listened{runBuilt(t, p), p, events}
}

// await waits for a SourceEvent of that name.
func (l *listened) await(name string) stream.SourceEvent {
	l.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-l.events:
			if x, ok := e.(stream.SourceEvent); ok && x.Name == name {
				return x
			}
		case <-limit:
			l.Fatalf("no event %q", name)
		}
	}
}

// laterCode is an error that this client does not know.
var laterCode = &kerr.Error{Message: "LATER", Code: 9999, Description: "of later brokers"}

// A partition that cannot be read does not delay others, with a group or without one.
func TestKafkaUnreadablePartition(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"no leader":                              {Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "orders", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable},
		"not authorised":                         {Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "audit", Err: kerr.TopicAuthorizationFailed},
		"not fetchable":                          {Keys: []kmsg.Key{kmsg.Fetch}, Topic: "audit", Err: kerr.TopicAuthorizationFailed},
		"no offset":                              {Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "orders", Partitions: []int32{1}, Err: kerr.UnstableOffsetCommit},
		"topic not visible":                      {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: kerr.TopicAuthorizationFailed},
		"topic unknown":                          {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: kerr.UnknownTopicOrPartition},
		"topic invalid":                          {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: kerr.InvalidTopicException},
		"topic being made":                       {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: kerr.LeaderNotAvailable},
		"topic with a code of later brokers":     {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: laterCode},
		"partition with a code of its own":       {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "orders", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable},
		"partition with a code of later brokers": {Keys: []kmsg.Key{kmsg.Metadata}, Topic: "orders", Partitions: []int32{1}, Err: laterCode},
	} {
		for _, grouped := range []bool{true, false} {
			how := "by name"
			if grouped {
				how = "in a group"
			}
			if !grouped && name == "no offset" {
				continue // only a group has offsets
			}
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { unreadable(t, fault, grouped) })
			})
		}
	}
}

func unreadable(t *testing.T, fault kfake.Fault, grouped bool) {
	k, admin, transport := kafkatest.Virtual(t, kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"), kfake.SeedTopics(1, "audit"))
	write(t, admin.Client, "orders", 3, 10)
	write(t, admin.Client, "audit", 1, 10)
	fault.Count = -1
	fix := k.Fault(fault)
	cfg := source.KafkaConfig{Brokers: k.ListenAddrs(), Transport: transport}
	if grouped {
		cfg.Group, cfg.Topics, cfg.HeartbeatInterval = "billing", []string{"orders", "audit"}, 100*time.Millisecond
	} else {
		cfg.Partitions = map[stream.TopicPartition]source.Span{{Topic: "audit"}: {}}
		for p := range 3 {
			cfg.Partitions[stream.TopicPartition{Topic: "orders", Partition: p}] = source.Span{}
		}
	}
	got := newRecorder()
	chain := source.Kafka(cfg).GroupByPartition().Serial(got.record)
	if grouped {
		chain = chain.CommitEvery(1, 0)
	}
	l := listen(t, chain)
	event := l.await("partition waits")
	if event.Topic != fault.Topic || event.Err == nil {
		t.Errorf("event of %v: %v", event.TopicPartition, event.Err)
	}
	got.wait(t, 30)
	if err := l.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if at := l.Snapshot().Troubles; len(at) == 0 || at[0].Topic != fault.Topic {
		t.Errorf("troubles: %v", at)
	}
	fix.Remove()
	got.wait(t, 40)
	if at := l.Snapshot().Troubles; len(at) != 0 {
		t.Errorf("troubles: %v", at)
	}
	l.stop()
}

// A member that gets no partition of a topic hears of its end too.
func TestKafkaLackingTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, admin, transport := kafkatest.Virtual(t, kfake.SeedTopics(4, "orders"), kfake.SeedTopics(1, "audit"))
		write(t, admin.Client, "orders", 4, 10)
		write(t, admin.Client, "audit", 1, 10)
		fix := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "audit", Err: kerr.InvalidTopicException, Count: -1})
		cfg, got := config(k), newRecorder()
		cfg.Transport, cfg.Topics = transport, []string{"orders", "audit"}
		var members []*listened
		for range 3 {
			l := listen(t, source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0))
			l.await("partition waits")
			members = append(members, l)
		}
		got.wait(t, 40)
		fix.Remove()
		for _, l := range members {
			l.await("partition continues")
			if at := l.Snapshot().Troubles; len(at) != 0 {
				t.Errorf("troubles: %v", at)
			}
		}
		got.wait(t, 50)
		for _, l := range members {
			l.stop()
		}
	})
}

// A member that waits for a partition still answers its group, so a second member gets its share.
func TestKafkaUnreadablePartitionInARebalance(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	write(t, producer(t, k), "orders", 4, 10)
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
	got := newRecorder()
	first := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1, 0))
	got.wait(t, 30)
	start := time.Now()
	second := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1, 0))
	for e := range second.events {
		if x, ok := e.(stream.Assigned); ok {
			if took := time.Since(start); took > 20*time.Second { // RebalanceTimeout is a minute
				t.Errorf("%v was assigned after %v", x.TopicPartition, took)
			}
			break
		}
	}
	first.stop()
	second.stop()
}

// Run cannot end before the ends of all spans are known.
func TestKafkaSpanOfAnUnreadablePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, admin, transport := kafkatest.Virtual(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
		write(t, admin.Client, "orders", 2, 10)
		fix := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		got := newRecorder()
		spans := map[stream.TopicPartition]source.Span{}
		for p := range 2 {
			spans[stream.TopicPartition{Topic: "orders", Partition: p}] = source.Span{To: source.Latest}
		}
		l := listen(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Transport: transport, Partitions: spans}).Serial(got.record))
		l.await("partition waits")
		got.wait(t, 10)
		fix.Remove()
		if err := l.result(); err != nil {
			t.Error(err)
		}
		got.wait(t, 20)
	})
}

func TestKafkaReady(t *testing.T) {
	t.Run("waits for the first join, and says why", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		held, release := make(chan struct{}), make(chan struct{})
		var once atomic.Bool
		k.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if once.CompareAndSwap(false, true) {
				close(held)
				k.SleepControl(func() { <-release })
			}
			return nil, nil, false
		})
		got := newRecorder()
		write(t, producer(t, k), "orders", 1, 1)
		l := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1, 0))
		<-held
		if err := l.Ready(); err == nil || !strings.Contains(err.Error(), "died without leaving") || !strings.Contains(err.Error(), "45s") {
			t.Errorf("ready: %v", err)
		}
		close(release)
		got.wait(t, 1)
		if err := l.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
	})
	t.Run("tells soon after the start that a group waits for its other members", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		release := make(chan struct{})
		var once atomic.Bool
		k.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if once.CompareAndSwap(false, true) {
				k.SleepControl(func() { <-release })
			}
			return nil, nil, false
		})
		l := listen(t, source.Kafka(config(k)).Serial(newRecorder().record).CommitEvery(1, 0))
		if e := l.await("group waiting"); !strings.Contains(e.Text, "died without leaving") || !strings.Contains(e.Text, "45s") {
			t.Errorf("told: %s", e.Text)
		}
		close(release)
		l.stop()
	})
	t.Run("needs the leader of one partition at least, and names its advertised address", func(t *testing.T) {
		for _, grouped := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				k, admin, transport := kafkatest.Virtual(t, kfake.NumBrokers(2), kfake.Ports(9092, 9093), kfake.SeedTopics(1, "orders"))
				cfg, got := config(k), newRecorder()
				near := k.CoordinatorFor(cfg.Group)
				if err := k.MoveTopicPartition("orders", 0, 1-near); err != nil {
					t.Fatal(err)
				}
				write(t, admin.Client, "orders", 1, 1)
				var far atomic.Bool // the leader's address is unreachable from here
				far.Store(true)
				cfg.Brokers = k.ListenAddrs()[near : near+1]
				cfg.Transport = &kafka.Transport{Dial: func(ctx context.Context, kind, addr string) (net.Conn, error) {
					if addr != cfg.Brokers[0] && far.Load() {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					return transport.Dial(ctx, kind, addr)
				}}
				if !grouped {
					cfg.Group, cfg.Topics, cfg.Partitions = "", nil, map[stream.TopicPartition]source.Span{{Topic: "orders"}: {}}
				}
				chain := source.Kafka(cfg).Serial(got.record)
				if grouped {
					chain = chain.CommitEvery(1, 0)
				}
				l := listen(t, chain)
				l.await("partition waits")
				if err := l.Ready(); err == nil || !strings.Contains(err.Error(), "advertised.listeners") {
					t.Errorf("in a group: %v; ready: %v", grouped, err)
				}
				far.Store(false)
				got.wait(t, 1)
				if err := l.Ready(); err != nil {
					t.Errorf("in a group: %v; not ready: %v", grouped, err)
				}
				l.stop()
			})
		}
	})
	t.Run("needs a coordinator", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		fix := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
		got := newRecorder()
		write(t, producer(t, k), "orders", 1, 1)
		l := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1, 0))
		l.await("group retry")
		if err := l.Ready(); !errors.Is(err, kafka.GroupCoordinatorNotAvailable) {
			t.Errorf("ready: %v", err)
		}
		fix.Remove()
		got.wait(t, 1)
		if err := l.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
	})
	t.Run("ends while the membership is lost", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		got := newRecorder()
		write(t, producer(t, k), "orders", 1, 1)
		l := listen(t, source.Kafka(config(k)).Serial(got.record).CommitEvery(1, 0))
		got.wait(t, 1)
		fix := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration})
		l.await("group lost")
		if l.Ready() == nil {
			t.Error("ready while not a member of the group")
		}
		fix.Remove()
		for e := range l.events {
			if _, ok := e.(stream.Rebalanced); ok {
				break
			}
		}
		if err := l.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
	})
	t.Run("names advertised.listeners if the brokers' own addresses are unreachable", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := net.SplitHostPort(k.ListenAddrs()[0])
		l.Close()
		elsewhere := int32(l.Addr().(*net.TCPAddr).Port)
		k.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
			resp.NodeID, resp.Host, resp.Port = 0, host, elsewhere
			return resp, nil, true
		})
		s := listen(t, source.Kafka(config(k)).Serial(newRecorder().record).CommitEvery(1, 0))
		s.await("group retry")
		if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "advertised.listeners") {
			t.Errorf("ready: %v", err)
		}
	})
}

// Each address has its own timeout: the first one must not use up the time of the others.
func TestKafkaFrozenAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
		write(t, k.Client, "orders", 1, 5)
		cfg := config(c)
		const frozen = "127.0.0.1:1"
		kafkatest.Freeze(transport, frozen)
		cfg.Brokers, cfg.Transport = append([]string{frozen}, cfg.Brokers...), transport
		cfg.ConnectTimeout = 4 * time.Second // less than one address alone takes
		got := newRecorder()
		r := run(t, source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0))
		got.wait(t, 5)
		r.stop()
	})
}

// The user may not read one of the topics anymore, or the broker refuses its offset for a reason
// that is not the group's.
func TestKafkaCommitDenied(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.TopicAuthorizationFailed, kerr.InvalidTopicException, kerr.InvalidCommitOffsetSize, kerr.InvalidRequest} {
		t.Run("delays neither other topics nor the end/"+code.Message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, admin, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders", "audit"))
				write(t, admin.Client, "orders", 1, 10)
				write(t, admin.Client, "audit", 1, 10)
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "audit", Err: code, Count: -1})
				cfg, got := config(k), newRecorder()
				cfg.Transport, cfg.Topics = transport, []string{"orders", "audit"}
				l := listen(t, source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0))
				got.wait(t, 20)
				time.Sleep(time.Minute)
				write(t, admin.Client, "orders", 1, 10)
				got.wait(t, 30)
				time.Sleep(time.Minute)
				if at := admin.Committed(cfg.Group, "orders"); at[0] != 20 {
					t.Errorf("committed: %v", at)
				}
				began := time.Now()
				l.cancel()
				err := <-l.ended
				if took := time.Since(began); took > 5*time.Second || !errors.Is(err, stream.ErrDrain) || !strings.Contains(err.Error(), "10 records of audit[0]") || strings.Contains(err.Error(), "orders") {
					t.Errorf("it ended after %v: %v", took, err)
				}
			})
		})
	}
}
