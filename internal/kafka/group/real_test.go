package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// realKafka is a test's own group on a real cluster, with 6 partitions of group-orders and 2 of
// group-payments. Other tests use other topics.
type realKafka struct {
	addrs []string
	group string
}

func (r *realKafka) ListenAddrs() []string { return r.addrs }

// atRealKafka returns a new group at KAFKA_BROKERS, or skips.
func atRealKafka(t *testing.T) *realKafka {
	t.Helper()
	brokers := os.Getenv("KAFKA_BROKERS")
	if brokers == "" {
		t.Skip("KAFKA_BROKERS is not set: this test needs a real Kafka")
	}
	r := &realKafka{addrs: strings.Split(brokers, ","), group: fmt.Sprintf("laneway-group-%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())}
	req := kmsg.NewPtrCreateTopicsRequest()
	for name, n := range map[string]int32{"group-orders": 6, "group-payments": 2} {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, n, 1
		req.Topics = append(req.Topics, topic)
	}
	resp, err := req.RequestWith(t.Context(), newClient(t, r).kgo)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range resp.Topics {
		if topic.ErrorCode != 0 && topic.ErrorCode != 36 { // 36: it exists already
			t.Fatalf("topic %s: error %d", topic.Topic, topic.ErrorCode)
		}
	}
	return r
}

// overWire makes a member connect as in production, over kafka-go's Transport.
func (r *realKafka) overWire(t *testing.T, cfg *Config) {
	t.Helper()
	cl := wire.New(wire.Config{Brokers: r.addrs, ClientID: cfg.ClientID})
	t.Cleanup(cl.Close)
	hooked := cfg.Requester.(*client)
	cfg.Requester = &wired{Client: cl, client: hooked}
	cfg.HeartbeatInterval = 100 * time.Millisecond
}

// wired is wire's client with the hook of the kfake tests' client.
type wired struct {
	*wire.Client
	client *client
}

func (w *wired) Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if w.client.hook != nil {
		if resp, err, handled := w.client.hook(req); handled {
			return resp, err
		}
	}
	return w.Client.Group(ctx, group, req)
}

func TestCooperativeRebalanceRealKafka(t *testing.T) {
	testCooperative(t, atRealKafka(t))
}

func TestOtherClientsRealKafka(t *testing.T) {
	testOtherClients(t, func(t *testing.T) site { return atRealKafka(t) })
}

func TestDrainOutlastsSessionRealKafka(t *testing.T) {
	c, f := atRealKafka(t), newFloor()
	var failed map[wire.TopicPartition]error
	tune := func(w *worker) {
		w.cfg.Balancers, w.cfg.SessionTimeout = []Balancer{Range}, 1500*time.Millisecond
	}
	a := newWorker(t, c, f, "a", tune, func(w *worker) {
		beats, enough := 0, make(chan struct{})
		draining := make(chan struct{})
		w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
			if _, ok := req.(*kmsg.HeartbeatRequest); ok {
				select {
				case <-draining:
					if beats++; beats == 40 {
						close(enough)
					}
				default:
				}
			}
			return nil, nil, false
		}
		w.drain = func(ctx context.Context, w *worker, _ []wire.TopicPartition) {
			close(draining)
			<-enough
			failed = w.Commit(ctx, map[wire.TopicPartition]Position{orders(0): {Offset: 3}})
			w.drain = nil
		}
	}).start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	newWorker(t, c, f, "b", tune).start(t)
	f.awaitShares(t, map[string]int{"a": 3, "b": 3})
	f.check(t)
	if len(failed) > 0 || len(a.lost) > 0 {
		t.Errorf("commit %v, lost %v", failed, a.lostErr)
	}
}

func TestCancelledJoinRealKafka(t *testing.T) {
	testCancelledJoin(t, atRealKafka(t))
}

func TestStaticMemberNewTopicRealKafka(t *testing.T) {
	for _, role := range []string{"leader", "follower"} {
		for _, balancer := range []Balancer{CooperativeSticky, Range} {
			t.Run(fmt.Sprintf("%s/%s", role, balancer), func(t *testing.T) {
				c, f := atRealKafka(t), newFloor()
				static := func(id string, topics ...string) func(*worker) {
					return func(w *worker) {
						w.cfg.InstanceID, w.cfg.Topics, w.cfg.Balancers = id, topics, []Balancer{balancer}
						w.cfg.SessionTimeout = 10 * time.Second
					}
				}
				changes := newWorker(t, c, f, "before", static("i-1", "group-orders"))
				other := newWorker(t, c, f, "other", static("i-2", "group-orders"))
				if role == "leader" {
					changes.start(t)
					f.awaitShares(t, map[string]int{"before": 6})
					other.start(t)
				} else {
					other.start(t)
					f.awaitShares(t, map[string]int{"other": 6})
					changes.start(t)
				}
				f.awaitShares(t, map[string]int{"before": 3, "other": 3})
				if err := changes.end(t); err != nil {
					t.Fatal(err)
				}
				newWorker(t, c, f, "after", static("i-1", "group-orders", "group-payments")).start(t)
				f.await(t, "both partitions of payments", func() bool {
					return f.owner[wire.PartitionOf("group-payments", 0)] == "after" && f.owner[wire.PartitionOf("group-payments", 1)] == "after" && len(f.of("after"))+len(f.of("other")) == 8
				})
				f.check(t)
			})
		}
	}
}

func TestStaticMemberRestartRealKafka(t *testing.T) {
	c, f := atRealKafka(t), newFloor()
	static := func(id string) func(*worker) { return func(w *worker) { w.cfg.InstanceID = id } }
	stays := newWorker(t, c, f, "stays", static("i-1")).start(t)
	f.awaitShares(t, map[string]int{"stays": 6})
	leaves := newWorker(t, c, f, "leaves", static("i-2")).start(t)
	f.awaitShares(t, map[string]int{"stays": 3, "leaves": 3})
	f.await(t, "the rebalance to end", func() bool { return stays.count("joined") >= 2 })
	if err := leaves.end(t); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	joined := stays.count("joined")
	f.mu.Unlock()
	newWorker(t, c, f, "again", static("i-2")).start(t)
	f.awaitShares(t, map[string]int{"again": 3})
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := stays.count("joined"); n != joined {
		t.Errorf("the other member went through %d rebalances", n-joined)
	}
}

func TestKilledBrokerRealKafka(t *testing.T) {
	control := os.Getenv("KAFKA_CONTROL")
	if atRealKafka(t); control == "" {
		t.Skip("KAFKA_CONTROL is not set: this test needs a broker of its own to kill")
	}
	dir := t.TempDir() + "/kafka"
	run := func(args ...string) string {
		out, err := exec.Command(control, args...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	env := run("start", os.Getenv("KAFKA_VERSION"), dir)
	t.Cleanup(func() { _ = exec.Command(control, "stop", dir).Run() })
	_, addr, _ := strings.Cut(env, "KAFKA_BROKERS=")
	addr, _, _ = strings.Cut(addr, "\n")
	t.Setenv("KAFKA_BROKERS", addr)
	c, f := atRealKafka(t), newFloor()
	a := newWorker(t, c, f, "a", func(w *worker) { w.cfg.SessionTimeout = 30 * time.Second }).start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	run("kill", dir)
	f.await(t, "a heartbeat to fail", func() bool { return a.count("retry") > 0 })
	failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}})
	var again *RetriableError
	if !errors.As(failed[orders(0)], &again) {
		t.Errorf("commit while the broker is down: %v", failed)
	}
	run("up", dir)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for try := 1; len(failed) > 0 && retries.Pause(ctx, try); try++ { // as a committer does
		failed = a.Commit(ctx, map[wire.TopicPartition]Position{orders(0): {Offset: 7}})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(failed) > 0 || len(a.lost)+len(a.revoked) > 0 || a.count("joined") != 1 {
		t.Errorf("commit %v, lost %v, revoked %v, joined %d times", failed, a.lostErr, a.revoked, a.count("joined"))
	}
}
