package group

import (
	"context"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDrain(t *testing.T) {
	t.Run("may outlast the session and commit under the old generation", func(t *testing.T) {
		for _, balancer := range []Balancer{CooperativeSticky, Range} {
			inVirtualTime(t, string(balancer), func(t *testing.T, c virtual) {
				f := newFloor()
				tune := func(w *worker) {
					w.cfg.Balancers = []Balancer{balancer}
					w.cfg.SessionTimeout, w.cfg.HeartbeatInterval = 400*time.Millisecond, 50*time.Millisecond
				}
				var failed map[wire.TopicPartition]error
				slow := func(_ context.Context, w *worker, tps []wire.TopicPartition) {
					// 40 heartbeats take five sessions.
					waitHits(t, c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1}), 40)
					next := map[wire.TopicPartition]Position{}
					for _, tp := range tps {
						next[tp] = Position{Offset: 100}
					}
					failed = w.Commit(context.Background(), next)
					w.drain = nil
				}
				a := newWorker(t, c, f, "a", tune, func(w *worker) { w.drain = slow }).start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				b := newWorker(t, c, f, "b", tune).start(t)
				f.awaitShares(t, map[string]int{"a": 3, "b": 3})
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(failed) > 0 || len(a.lost) > 0 {
					t.Errorf("commit failed with %v, lost %v", failed, a.lostErr)
				}
				for _, parts := range b.assigned {
					for tp, next := range parts {
						if next.Offset != 100 {
							t.Errorf("b started %v at %d, want 100", tp, next.Offset)
						}
					}
				}
				for _, clash := range f.clashes {
					t.Error(clash)
				}
			})
		}
	})
	t.Run("at shutdown commits and leaves", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		var failed map[wire.TopicPartition]error
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.drain = func(ctx context.Context, w *worker, _ []wire.TopicPartition) {
				failed = w.Commit(ctx, map[wire.TopicPartition]Position{orders(0): {Offset: 5}})
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		if err := a.end(t); err != nil || len(failed) > 0 {
			t.Errorf("Run returned %v, the last commit %v", err, failed)
		}
		g := c.GroupInfo("billing")
		if len(g.Members) != 0 || g.Commits["group-orders"][0].Offset != 5 {
			t.Errorf("members %v, commits %v", g.Members, g.Commits)
		}
		if len(a.revoked) != 1 || len(a.lost) != 0 {
			t.Errorf("revoked %v, lost %v", a.revoked, a.lost)
		}
	})
	// A cooperative member with unfinished work abandons its join only after that work is committed,
	// since a member that is halfway through a join cannot commit.
	t.Run("at shutdown commits during a cooperative rebalance", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		leaving := make(chan struct{})
		var failed map[wire.TopicPartition]error
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.drain = func(ctx context.Context, w *worker, tps []wire.TopicPartition) {
				close(leaving)
				f.mu.Lock()
				from := w.count("joined")
				f.mu.Unlock()
				f.await(t, "the rebalance to continue while a drains", func() bool { return w.count("joined") > from })
				next := map[wire.TopicPartition]Position{}
				for _, tp := range tps {
					next[tp] = Position{Offset: 8}
				}
				failed = w.Commit(ctx, next)
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		held := make(chan struct{})
		joining := make(chan struct{}, 8)
		c.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if id := req.(*kmsg.JoinGroupRequest).MemberID; id == a.memberID() {
				c.DropControl()
				joining <- struct{}{}
				c.SleepControl(func() { <-held })
			}
			c.KeepControl()
			return nil, nil, false
		})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress})
		select {
		case <-joining:
		case <-time.After(patience):
			t.Fatal("no second join")
		}
		a.stop()
		<-leaving
		close(held)
		if err := a.wait(t); err != nil || len(failed) > 0 || len(a.lost) > 0 {
			t.Errorf("Run: %v, commit: %v, lost: %v", err, failed, a.lost)
		}
		if got := c.GroupInfo("billing").Commits["group-orders"][5].Offset; got != 8 {
			t.Errorf("committed %d", got)
		}
	})
}

func TestCancelledJoin(t *testing.T) {
	c := newCluster(t)
	testCancelledJoin(t, c)
	if g := c.GroupInfo("billing"); len(g.Members) != 0 {
		t.Errorf("members remain: %v", g.Members)
	}
}

func testCancelledJoin(t *testing.T, c site) {
	f := newFloor()
	eager := func(w *worker) { w.cfg.Balancers = []Balancer{Range} }
	release := make(chan struct{})
	a := newWorker(t, c, f, "a", eager, func(w *worker) {
		w.drain = func(context.Context, *worker, []wire.TopicPartition) { <-release }
	}).start(t)
	f.awaitShares(t, map[string]int{"a": 6})
	b := newWorker(t, c, f, "b", eager).start(t)
	// now b's join is pending
	f.await(t, "the rebalance that b's join causes", func() bool { return len(a.revoked) == 1 })
	// these wait for less than the rebalance or a session takes
	if err := b.end(t); err != nil {
		t.Error(err)
	}
	close(release)
	f.awaitShares(t, map[string]int{"a": 6})
	if err := a.end(t); err != nil {
		t.Error(err)
	}
}
