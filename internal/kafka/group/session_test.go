package group

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSession(t *testing.T) {
	t.Run("stays over once its time has passed", func(t *testing.T) {
		s, now := newSession(), time.Duration(0)
		s.clock = func() time.Duration { return now }
		s.start(10 * time.Second)
		if now = 9 * time.Second; !s.extend(15*time.Second) || s.left() != 6*time.Second {
			t.Errorf("an answer in time: %v are left, want 6s", s.left())
		}
		if now = 15 * time.Second; s.extend(25*time.Second) || s.left() > 0 {
			t.Error("an answer that came too late has counted")
		}
		if s.start(10 * time.Second); s.left() != 10*time.Second {
			t.Errorf("after another join %v are left, want 10s", s.left())
		}
	})
	// A process that stood still for three sessions, between a heartbeat's answer and the goroutine
	// that waits for it, would have that answer count.
	t.Run("ends though a heartbeat's answer is still to be read", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		lost, beats := make(chan struct{}), 0
		a := newWorker(t, c, f, "a", func(w *worker) {
			w.cfg.SessionTimeout, w.cfg.HeartbeatInterval = 600*time.Millisecond, 200*time.Millisecond
			w.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
				if _, ok := req.(*kmsg.HeartbeatRequest); !ok {
					return nil, nil, false
				}
				if beats++; beats != 2 {
					return nil, nil, false
				}
				<-lost
				return kmsg.NewPtrHeartbeatResponse(), nil, true
			}
		}).start(t)
		f.await(t, "the loss", func() bool { return len(a.lost) == 1 })
		close(lost)
		f.await(t, "the partitions back", func() bool { return len(f.of("a")) == 6 && len(a.assigned) == 2 })
		var expired *SessionExpiredError
		if !errors.As(a.lostErr[0], &expired) || expired.Last != nil {
			t.Errorf("lost for %v", a.lostErr[0])
		}
		if err := a.end(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("does not begin with a join's answer that is read too late", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		var asleep atomic.Int64
		joins := 0
		a := newWorker(t, c, f, "a")
		clock := a.session.clock
		a.session.clock = func() time.Duration { return clock() + time.Duration(asleep.Load()) }
		a.cl.hook = func(req kmsg.Request) (kmsg.Response, error, bool) {
			if join, ok := req.(*kmsg.JoinGroupRequest); ok && join.MemberID != "" {
				if joins++; joins == 1 {
					resp, err := a.cl.kgo.Broker(0).Request(t.Context(), req)
					asleep.Store(int64(a.cfg.SessionTimeout + time.Second))
					return resp, err, true
				}
			}
			return nil, nil, false
		}
		a.start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		if err := a.end(t); err != nil {
			t.Error(err)
		}
		if joins < 2 || a.count("joined") != 1 {
			t.Errorf("it asked %d times to join and counted %d answers, want 2 and 1", joins, a.count("joined"))
		}
	})
	t.Run("takes no commit once it is over", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		var asleep atomic.Int64
		a := newWorker(t, c, f, "a", func(w *worker) {
			// nobody else looks meanwhile
			w.cfg.SessionTimeout, w.cfg.HeartbeatInterval = time.Minute, 50*time.Second
		})
		clock := a.session.clock
		a.session.clock = func() time.Duration { return clock() + time.Duration(asleep.Load()) }
		a.start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		asleep.Store(int64(a.cfg.SessionTimeout + time.Second))
		if !a.Expired() {
			t.Error("the session is not over")
		}
		if failed := a.Commit(t.Context(), map[TP]Position{orders(0): {Offset: 7}}); !errors.Is(failed[orders(0)], ErrLost) {
			t.Errorf("the commit gave %v", failed)
		}
	})
}
