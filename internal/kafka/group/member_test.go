package group

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestMember(t *testing.T) {
	t.Run("keeps its partitions in a cooperative rebalance", func(t *testing.T) {
		testCooperative(t, newCluster(t))
	})
	t.Run("shares all partitions without overlap", func(t *testing.T) {
		for _, balancer := range []Balancer{CooperativeSticky, Sticky, Range, RoundRobin} {
			t.Run(string(balancer), func(t *testing.T) {
				c, f := newCluster(t), newFloor()
				use := func(w *worker) { w.cfg.Balancers = []Balancer{balancer} }
				newWorker(t, c, f, "a", use).start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				b := newWorker(t, c, f, "b", use).start(t)
				newWorker(t, c, f, "c", use).start(t)
				f.awaitShares(t, map[string]int{"a": 2, "b": 2, "c": 2})
				if err := b.end(t); err != nil {
					t.Error(err)
				}
				f.awaitShares(t, map[string]int{"a": 3, "c": 3})
				f.check(t)
			})
		}
	})
	t.Run("is assigned partitions added to a topic", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a", func(w *worker) { w.cfg.TopicsInterval = 10 * time.Millisecond }).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		req := kmsg.NewPtrCreatePartitionsRequest()
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = "group-orders", 9
		req.Topics = append(req.Topics, topic)
		if _, err := req.RequestWith(t.Context(), a.cl.kgo); err != nil {
			t.Fatal(err)
		}
		f.awaitShares(t, map[string]int{"a": 9})
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(a.revoked) > 0 {
			t.Errorf("the old partitions were revoked: %v", a.revoked)
		}
	})
	t.Run("starts at the committed offset", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a").start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(2): {Offset: 41}}); len(failed) > 0 {
			t.Fatal(failed)
		}
		if err := a.end(t); err != nil {
			t.Fatal(err)
		}
		unstable := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit, Count: 2})
		b := newWorker(t, c, f, "b").start(t)
		f.awaitShares(t, map[string]int{"b": 6})
		f.mu.Lock()
		defer f.mu.Unlock()
		if got := b.assigned[0]; got[orders(2)].Offset != 41 || got[orders(3)].Offset != -1 {
			t.Errorf("started at %v, want 41 for partition 2 and -1 (none) for the others", got)
		}
		if unstable.Hits() < 2 {
			t.Errorf("it did not wait for pending transactional offsets")
		}
	})
	t.Run("that cannot start partitions leaves the group", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		broken := errors.New("no such table")
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.starting = func(context.Context, map[wire.TopicPartition]Position) error { return broken }
		}).start(t)
		if err := a.wait(t); !errors.Is(err, broken) {
			t.Errorf("Run returned %v", err)
		}
		if g := c.GroupInfo("billing"); len(g.Members) != 0 {
			t.Errorf("it is still a member: %v", g.Members)
		}
	})
	t.Run("reports every fault of its configuration", func(t *testing.T) {
		_, err := New(Config{Balancers: []Balancer{"best"}, SessionTimeout: time.Second, HeartbeatInterval: time.Minute})
		for _, part := range []string{"Group", "Topics", "Requester", "OnAssigned", `"best"`, "HeartbeatInterval"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("no %q among the faults: %v", part, err)
			}
		}
	})
}

func testCooperative(t *testing.T, c site) {
	f := newFloor()
	a := newWorker(t, c, f, "a").start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	b := newWorker(t, c, f, "b").start(t)
	f.awaitShares(t, map[string]int{"a": 3, "b": 3})
	f.mu.Lock()
	if len(a.revoked) != 1 || len(a.revoked[0]) != 3 || len(a.lost) != 0 || len(a.assigned) != 1 {
		t.Errorf("a: revoked %v, lost %v, assigned %v; want three partitions revoked once and the others untouched", a.revoked, a.lost, a.assigned)
	}
	if moved := a.revoked[0]; !slices.Equal(moved, f.of("b")) {
		t.Errorf("a released %v, b got %v", moved, f.of("b"))
	}
	f.mu.Unlock()
	if err := b.end(t); err != nil {
		t.Error(err)
	}
	f.awaitShares(t, map[string]int{"a": 6})
	f.check(t)
}

func TestStaticMember(t *testing.T) {
	t.Run("restarts without a rebalance", func(t *testing.T) {
		for _, role := range []string{"follower", "leader"} {
			t.Run(role, func(t *testing.T) {
				c, f := newCluster(t), newFloor()
				static := func(id string) func(*worker) {
					return func(w *worker) { w.cfg.InstanceID, w.cfg.Balancers = id, []Balancer{Range} }
				}
				first := newWorker(t, c, f, "first", static("i-1")).start(t)
				f.awaitShares(t, map[string]int{"first": 6})
				second := newWorker(t, c, f, "second", static("i-2")).start(t)
				f.awaitShares(t, map[string]int{"first": 3, "second": 3})
				stays, leaves := first, second
				if role == "leader" {
					stays, leaves = second, first
				}
				before, err := c.WaitGroupStable(t.Context(), "billing", 2)
				if err != nil {
					t.Fatal(err)
				}
				f.mu.Lock()
				had, joined := f.of(leaves.name), stays.count("joined")
				f.mu.Unlock()
				if err := leaves.end(t); err != nil {
					t.Error(err)
				}
				newWorker(t, c, f, "again", static(leaves.cfg.InstanceID)).start(t)
				f.awaitShares(t, map[string]int{"again": 3})
				f.mu.Lock()
				defer f.mu.Unlock()
				if !slices.Equal(f.of("again"), had) {
					t.Errorf("it returned to %v, had %v", f.of("again"), had)
				}
				if n := stays.count("joined"); n != joined {
					t.Errorf("the other member went through %d rebalances", n-joined)
				}
				if after := c.GroupInfo("billing"); after.Epoch != before.Epoch {
					t.Errorf("the generation went from %d to %d", before.Epoch, after.Epoch)
				}
			})
		}
	})
	// Kafka gives a returning static member its old assignment, whatever its new subscription. kfake
	// would rebalance, so the test makes the join look unchanged.
	t.Run("reads its new topics after a restart", func(t *testing.T) {
		one, both := []string{"group-orders"}, []string{"group-orders", "group-payments"}
		for _, tc := range []struct {
			name             string
			before, after    []string
			partitions, then int
		}{{"more", one, both, 6, 8}, {"fewer", both, one, 8, 6}} {
			t.Run(tc.name, func(t *testing.T) {
				c, f := newCluster(t, kfake.SeedTopics(2, "group-payments")), newFloor()
				static := func(topics []string) func(*worker) {
					return func(w *worker) { w.cfg.InstanceID, w.cfg.Topics = "i-1", topics }
				}
				first := newWorker(t, c, f, "first", static(tc.before)).start(t)
				f.awaitShares(t, map[string]int{"first": tc.partitions})
				if err := first.end(t); err != nil {
					t.Fatal(err)
				}
				joins := 0
				again := newWorker(t, c, f, "again", static(tc.after), func(w *worker) {
					w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
						if join, ok := req.(*kmsg.JoinGroupRequest); ok {
							if joins++; joins == 1 {
								join.Protocols[0].Metadata = subscription(CooperativeSticky, tc.before, holding{generation: -1}, "", false)
							}
						}
						return nil, nil, false
					}
				}).start(t)
				f.awaitShares(t, map[string]int{"again": tc.then})
				f.await(t, "the rebalance with the new topics", func() bool { return again.count("joined") == 2 })
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(again.revoked)+len(again.lost) > 0 || len(f.of("again")) != tc.then {
					t.Errorf("revoked %v, lost %v, has %v", again.revoked, again.lost, f.of("again"))
				}
			})
		}
	})
}
