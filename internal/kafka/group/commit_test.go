package group

import (
	"context"
	"errors"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommit(t *testing.T) {
	t.Run("classifies its failures", func(t *testing.T) {
		for _, tc := range []struct {
			err   *kerr.Error
			class string
		}{
			{kerr.CoordinatorLoadInProgress, "retriable"}, {kerr.CoordinatorNotAvailable, "retriable"}, {kerr.NotCoordinator, "retriable"},
			{kerr.UnknownServerError, "retriable"}, {kerr.RebalanceInProgress, "stored"},
			{kerr.TopicAuthorizationFailed, "topic"}, {kerr.GroupAuthorizationFailed, "fatal"}, {kerr.InvalidGroupID, "fatal"},
			{kerr.OffsetMetadataTooLarge, "topic"}, {kerr.InvalidTopicException, "topic"}, {kerr.InvalidCommitOffsetSize, "topic"}, {kerr.InvalidRequest, "topic"},
			{kerr.UnsupportedForMessageFormat, "topic"}, {kerr.PolicyViolation, "topic"},
		} {
			t.Run(tc.err.Message, func(t *testing.T) {
				t.Parallel()
				c, f := newCluster(t), newFloor()
				a := newWorker(t, c, f, "a").start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: tc.err})
				failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}})
				var again *RetriableError
				switch err := failed[orders(0)]; tc.class {
				case "stored":
					if len(failed) > 0 || c.GroupInfo("billing").Commits["group-orders"][0].Offset != 7 {
						t.Errorf("got %v", failed)
					}
				case "retriable":
					if !errors.As(err, &again) || errors.Is(err, ErrLost) {
						t.Errorf("got %v, want a *RetriableError", err)
					}
				case "topic":
					var denied *kafkaerr.TopicError
					if !errors.As(err, &denied) || denied.Topic != "group-orders" || !errors.Is(err, kafka.Error(tc.err.Code)) {
						t.Errorf("got %v, want a *kafkaerr.TopicError", err)
					}
				case "fatal":
					wantFatal(t, err, kafka.Error(tc.err.Code))
				}
				if len(a.lost) > 0 {
					t.Errorf("lost %v", a.lost)
				}
			})
		}
	})
	t.Run("stores only owned partitions", func(t *testing.T) {
		c, f := newCluster(t, kfake.SeedTopics(1, "group-payments")), newFloor()
		a := newWorker(t, c, f, "a").start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		foreign := wire.PartitionOf("group-payments", 0)
		failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7, LeaderEpoch: -1}, foreign: {Offset: 9}})
		if len(failed) != 1 || !errors.Is(failed[foreign], ErrLost) {
			t.Errorf("got %v", failed)
		}
		commits := c.GroupInfo("billing").Commits
		if commits["group-orders"][0].Offset != 7 || commits["group-orders"][0].LeaderEpoch != -1 || len(commits["group-payments"]) > 0 {
			t.Errorf("stored %v", commits)
		}
	})
	t.Run("does not send offsets of a superseded assignment", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cfg.Superseded = func(_ context.Context, tp wire.TopicPartition) bool { return tp == orders(1) }
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}, orders(1): {Offset: 9}})
		if len(failed) != 1 || !errors.Is(failed[orders(1)], ErrLost) {
			t.Errorf("got %v", failed)
		}
		commits := c.GroupInfo("billing").Commits["group-orders"]
		if _, stored := commits[1]; stored || commits[0].Offset != 7 {
			t.Errorf("stored %v", commits)
		}
	})
	// While a join is in flight, the old generation may end during a commit. That is not a loss: the
	// commit succeeds under the next generation.
	t.Run("overtaken by a rebalance is stored under the next generation", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		joining, release := make(chan struct{}), make(chan struct{})
		joins := 0
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
				if _, ok := req.(*kmsg.JoinGroupRequest); ok {
					if joins++; joins == 3 { // the first two belong to the first join
						close(joining)
						<-release
					}
				}
				return nil, nil, false
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress})
		<-joining
		refused := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration})
		var failed map[wire.TopicPartition]error
		var wg conc.WaitGroup
		wg.Go(func() { failed = a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(4): {Offset: 12}}) })
		waitHits(t, refused, 1)
		close(release)
		wg.Wait()
		if len(failed) > 0 || len(a.lost) > 0 {
			t.Errorf("commit: %v, lost: %v", failed, a.lost)
		}
		if got := c.GroupInfo("billing").Commits["group-orders"][4].Offset; got != 12 {
			t.Errorf("committed %d", got)
		}
	})
	// A recreated topic is another one, so offsets of the old topic are not stored for it.
	t.Run("by topic id stores nothing for a recreated topic", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cfg.TopicIDs = func(context.Context, []string) (map[string][16]byte, error) {
				return map[string][16]byte{"group-orders": c.TopicInfo("group-orders").TopicID}, nil
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		at := a.assigned[0][orders(0)]
		if at.Offset != -1 || at.TopicID != c.TopicInfo("group-orders").TopicID {
			t.Fatalf("assigned at %+v", at)
		}
		at.Offset = 7
		if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): at}); len(failed) > 0 {
			t.Fatal(failed)
		}
		if err := c.DeleteTopic("group-orders"); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateTopic("group-orders", 6, nil); err != nil {
			t.Fatal(err)
		}
		at.Offset = 9
		failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): at})
		var again *RetriableError
		if err := failed[orders(0)]; !errors.As(err, &again) || !errors.Is(err, kafka.Error(wire.UnknownTopicID)) {
			t.Errorf("got %v", err)
		}
		if got := c.GroupInfo("billing").Commits["group-orders"][0].Offset; got == 9 {
			t.Error("the offset was stored for the new topic")
		}
	})
}
