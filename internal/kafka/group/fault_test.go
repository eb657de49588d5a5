package group

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFaults(t *testing.T) {
	t.Run("of a join or sync that are transient are retried", func(t *testing.T) {
		for _, tc := range []struct {
			key kmsg.Key
			err *kerr.Error
		}{
			{kmsg.JoinGroup, kerr.CoordinatorLoadInProgress}, {kmsg.JoinGroup, kerr.CoordinatorNotAvailable}, {kmsg.JoinGroup, kerr.NotCoordinator},
			{kmsg.JoinGroup, kerr.RebalanceInProgress}, {kmsg.JoinGroup, kerr.UnknownMemberID}, {kmsg.JoinGroup, kerr.IllegalGeneration},
			{kmsg.JoinGroup, kerr.RequestTimedOut}, {kmsg.JoinGroup, kerr.UnknownServerError},
			{kmsg.SyncGroup, kerr.CoordinatorLoadInProgress}, {kmsg.SyncGroup, kerr.CoordinatorNotAvailable}, {kmsg.SyncGroup, kerr.NotCoordinator},
			{kmsg.SyncGroup, kerr.RebalanceInProgress}, {kmsg.SyncGroup, kerr.UnknownMemberID}, {kmsg.SyncGroup, kerr.IllegalGeneration},
			{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable}, {kmsg.OffsetFetch, kerr.NotCoordinator}, {kmsg.OffsetFetch, kerr.UnstableOffsetCommit},
		} {
			inVirtualTime(t, tc.key.Name()+"/"+tc.err.Message, func(t *testing.T, c virtual) {
				f := newFloor()
				fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: 2})
				a := newWorker(t, c, f, "a", func(w *worker) { w.cfg.SessionTimeout = 400 * time.Millisecond }).start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				if fault.Hits() == 0 {
					t.Error("the fault did not occur")
				}
				if err := a.end(t); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Run("that are permanent end Run with a typed error and a fix", func(t *testing.T) {
		for _, tc := range []struct {
			key  kmsg.Key
			err  *kerr.Error
			want kafka.Error
		}{
			{kmsg.JoinGroup, kerr.GroupAuthorizationFailed, kafka.GroupAuthorizationFailed},
			{kmsg.JoinGroup, kerr.InconsistentGroupProtocol, kafka.InconsistentGroupProtocol},
			{kmsg.JoinGroup, kerr.InvalidSessionTimeout, kafka.InvalidSessionTimeout},
			{kmsg.JoinGroup, kerr.FencedInstanceID, kafka.FencedInstanceID},
			{kmsg.JoinGroup, kerr.InvalidGroupID, kafka.InvalidGroupId},
			{kmsg.JoinGroup, kerr.GroupMaxSizeReached, kafka.GroupMaxSizeReached},
			{kmsg.SyncGroup, kerr.GroupAuthorizationFailed, kafka.GroupAuthorizationFailed},
			{kmsg.SyncGroup, kerr.FencedInstanceID, kafka.FencedInstanceID},
			{kmsg.OffsetFetch, kerr.GroupAuthorizationFailed, kafka.GroupAuthorizationFailed},
			{kmsg.OffsetFetch, kerr.TopicAuthorizationFailed, kafka.TopicAuthorizationFailed},
			{kmsg.Heartbeat, kerr.GroupAuthorizationFailed, kafka.GroupAuthorizationFailed},
			{kmsg.Heartbeat, kerr.FencedInstanceID, kafka.FencedInstanceID},
		} {
			t.Run(tc.key.Name()+"/"+tc.err.Message, func(t *testing.T) {
				t.Parallel()
				c, f := newCluster(t), newFloor()
				c.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: -1})
				a := newWorker(t, c, f, "a").start(t)
				err := a.wait(t)
				wantFatal(t, err, tc.want)
				var refused *kafkaerr.GroupError
				if errors.As(err, &refused) && refused.Fix == "" {
					t.Errorf("%v has no fix", err)
				}
				if len(f.owner) > 0 || len(a.revoked) > 0 {
					t.Errorf("still held: %v, revoked: %v", f.owner, a.revoked)
				}
			})
		}
	})
	t.Run("of a heartbeat that are transient have no effect", func(t *testing.T) {
		for _, err := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.RequestTimedOut} {
			t.Run(err.Message, func(t *testing.T) {
				t.Parallel()
				c, f := newCluster(t), newFloor()
				a := newWorker(t, c, f, "a").start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: err, Count: 3})
				waitHits(t, fault, 3)
				waitHits(t, c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1}), 2)
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(a.lost)+len(a.revoked) > 0 || a.count("joined") != 1 || len(f.of("a")) != 6 {
					t.Errorf("lost %v, revoked %v, joined %d times", a.lost, a.revoked, a.count("joined"))
				}
			})
		}
	})
	t.Run("of a rebalance keep cooperative partitions", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a").start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress})
		f.await(t, "a second generation", func() bool { return a.count("joined") == 2 })
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(a.lost)+len(a.revoked) > 0 || len(f.of("a")) != 6 {
			t.Errorf("lost %v, revoked %v", a.lost, a.revoked)
		}
	})
	t.Run("of a moved coordinator lose nothing", func(t *testing.T) {
		c, f := newCluster(t, kfake.NumBrokers(3)), newFloor()
		a := newWorker(t, c, f, "a").start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		for range 4 {
			c.RehashCoordinators()
			waitHits(t, c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1}), 5)
			if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(1): {Offset: 3}}); len(failed) > 0 {
				t.Error(failed)
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(a.lost)+len(a.revoked) > 0 {
			t.Errorf("lost %v, revoked %v", a.lost, a.revoked)
		}
	})
	t.Run("of a refused login end Run", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		login := &kafkaerr.AuthError{Addr: "broker:9092", Err: kafka.SASLAuthenticationFailed}
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cl.hook = func(kmsg.Request) (kmsg.Response, error, bool) { return nil, login, true }
		}).start(t)
		wantFatal(t, a.wait(t), login)
	})
}

func waitHits(t *testing.T, h *kfake.FaultHandle, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer h.Remove()
	if err := h.Wait(ctx, n); err != nil {
		t.Fatalf("waited too long for %d requests, saw %d", n, h.Hits())
	}
}

func TestUnavailableOffset(t *testing.T) {
	for _, code := range []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.UnstableOffsetCommit, kerr.OffsetMetadataTooLarge, kerr.InvalidTopicException, kerr.InvalidCommitOffsetSize, kerr.InvalidRequest,
		kerr.UnsupportedForMessageFormat,
	} {
		inVirtualTime(t, "does not delay other partitions/"+code.Message, func(t *testing.T, c virtual) {
			f := newFloor()
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "group-orders", Partitions: []int32{3}, Err: code, Count: -1})
			waits := map[wire.TopicPartition]error{}
			a := newWorker(t, c, f, "a", func(w *worker) {
				w.cfg.OnWaiting = func(tps []wire.TopicPartition, err error) {
					f.update(func() {
						for _, tp := range tps {
							waits[tp] = err
						}
					})
				}
			}).start(t)
			f.awaitShares(t, map[string]int{"a": 5})
			f.await(t, "the report that partition 3 waits", func() bool { return waits[orders(3)] != nil })
			if len(waits) != 1 {
				t.Errorf("waiting: %v", waits)
			}
			b := newWorker(t, c, f, "b").start(t) // the group still rebalances
			f.await(t, "three for b", func() bool { return len(f.of("b")) >= 2 })
			fault.Remove()
			f.awaitShares(t, map[string]int{"a": 3, "b": 3})
			if err := errors.Join(a.end(t), b.end(t)); err != nil {
				t.Error(err)
			}
			f.check(t)
		})
	}
}
