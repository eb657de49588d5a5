package group

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestLostMembership(t *testing.T) {
	t.Run("is reported once, never revoked, and rejoined", func(t *testing.T) {
		for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit} {
			for _, code := range []*kerr.Error{kerr.UnknownMemberID, kerr.IllegalGeneration} {
				inVirtualTime(t, key.Name()+"/"+code.Message, func(t *testing.T, c virtual) {
					f := newFloor()
					var joined []string // the member ids in its joins
					a := newWorker(t, c, f, "a", func(w *worker) {
						w.cfg.SessionTimeout = 400 * time.Millisecond
						w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
							if join, ok := req.(*kmsg.JoinGroupRequest); ok {
								f.update(func() { joined = append(joined, join.MemberID) })
							}
							return nil, nil, false
						}
					}).start(t)
					f.awaitShares(t, map[string]int{"a": 6})
					synctest.Wait() // OnAssigned has returned
					id := a.memberID()
					c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code})
					if key == kmsg.OffsetCommit {
						failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}, orders(1): {Offset: 7}})
						f.mu.Lock()
						if len(a.lost) != 1 {
							t.Errorf("Commit returned before the loss was reported: %v", a.lost)
						}
						f.mu.Unlock()
						if !errors.Is(failed[orders(0)], ErrLost) {
							t.Errorf("commit gave %v, want ErrLost", failed)
						}
					}
					f.await(t, "the partitions to return", func() bool { return len(a.lost) == 1 && len(f.of("a")) == 6 })
					f.mu.Lock()
					if len(a.revoked) > 0 || len(a.lost[0]) != 6 || !errors.Is(a.lostErr[0], ErrLost) || !errors.Is(a.lostErr[0], kafka.Error(code.Code)) {
						t.Errorf("revoked %v, lost %v for %v", a.revoked, a.lost, a.lostErr)
					}
					if code == kerr.UnknownMemberID {
						id = "" // an unknown id would be refused again
					}
					if joined[2] != id {
						t.Errorf("it rejoined as %q, want %q", joined[2], id)
					}
					f.mu.Unlock()
					if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}}); len(failed) > 0 {
						t.Errorf("commit after the rejoin: %v", failed)
					}
				})
			}
		}
	})
	inVirtualTime(t, "follows a coordinator that is silent for the session timeout", func(t *testing.T, c virtual) {
		f := newFloor()
		silent := make(chan struct{})
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cfg.SessionTimeout = 300 * time.Millisecond
			w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
				select {
				case <-silent:
					return nil, errors.New("connection refused"), true
				default:
					return nil, nil, false
				}
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		close(silent)
		f.await(t, "the loss", func() bool { return len(a.lost) == 1 })
		var expired *SessionExpiredError
		if !errors.As(a.lostErr[0], &expired) {
			t.Errorf("lost for %v", a.lostErr[0])
		}
		if err := a.end(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("by fencing ends Run", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		a := newWorker(t, c, f, "a", func(w *worker) { w.cfg.InstanceID = "i-1" }).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.FencedInstanceID})
		if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}}); !errors.Is(failed[orders(0)], ErrLost) {
			t.Errorf("commit gave %v", failed)
		}
		wantFatal(t, a.wait(t), kafka.FencedInstanceID)
		if len(a.lost) != 1 || len(a.revoked) != 0 {
			t.Errorf("lost %v, revoked %v", a.lost, a.revoked)
		}
	})
	t.Run("cuts a drain short", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		draining := make(chan struct{})
		var cut error
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.drain = func(ctx context.Context, w *worker, _ []wire.TopicPartition) {
				close(draining)
				<-ctx.Done()
				f.update(func() { cut = ctx.Err() })
				w.drain = nil
			}
		}).start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		newWorker(t, c, f, "b").start(t)
		<-draining
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, When: func(req kmsg.Request) bool {
			return req.(*kmsg.HeartbeatRequest).MemberID == a.memberID()
		}})
		f.await(t, "the loss", func() bool { return len(a.lost) == 1 })
		f.await(t, "the end of the drain", func() bool { return cut != nil })
		if !errors.Is(cut, context.Canceled) {
			t.Errorf("the drain's context ended with %v", cut)
		}
	})
	// Partitions whose start was in progress must be reported lost too, but only if they were started.
	t.Run("is reported for partitions that are being started", func(t *testing.T) {
		for _, started := range []bool{true, false} {
			t.Run(fmt.Sprintf("started: %t", started), func(t *testing.T) {
				c, f := newCluster(t), newFloor()
				tries := 0
				a := newWorker(t, c, f, "a", func(w *worker) {
					w.starting = func(ctx context.Context, _ map[wire.TopicPartition]Position) error {
						again := false
						f.update(func() { again = tries > 0; tries++ })
						if again {
							return nil
						}
						c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration})
						<-ctx.Done()
						if started {
							return nil
						}
						return ctx.Err()
					}
				}).start(t)
				f.await(t, "all partitions, at the second attempt", func() bool { return tries == 2 && len(f.of("a")) == 6 })
				f.mu.Lock()
				defer f.mu.Unlock()
				if want := map[bool]int{true: 1, false: 0}[started]; len(a.lost) != want || len(a.revoked) > 0 || len(f.clashes) > 0 {
					t.Errorf("lost %v, revoked %v, clashes %v", a.lost, a.revoked, f.clashes)
				}
			})
		}
	})
	t.Run("by a refused rejoin loses all partitions", func(t *testing.T) {
		for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup} {
			inVirtualTime(t, key.Name(), func(t *testing.T, c virtual) {
				f := newFloor()
				a := newWorker(t, c, f, "a", func(w *worker) { w.cfg.SessionTimeout = 400 * time.Millisecond }).start(t)
				f.awaitShares(t, map[string]int{"a": 6})
				c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.UnknownMemberID},
					kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress})
				f.await(t, "the loss and the partitions to return", func() bool { return len(a.lost) == 1 && len(f.of("a")) == 6 })
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(a.lost[0]) != 6 || len(a.revoked) > 0 {
					t.Errorf("lost %v, revoked %v", a.lost, a.revoked)
				}
			})
		}
	})
}
