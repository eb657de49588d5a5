package group

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSession(t *testing.T) {
	t.Run("stays expired", func(t *testing.T) {
		s, now := newSession(), time.Duration(0)
		s.clock = func() time.Duration { return now }
		s.start(10 * time.Second)
		if now = 9 * time.Second; !s.extend(15*time.Second) || s.left() != 6*time.Second {
			t.Errorf("after an answer in time, %v remain, want 6s", s.left())
		}
		if now = 15 * time.Second; s.extend(25*time.Second) || s.left() > 0 {
			t.Error("a late answer has counted")
		}
		if s.start(10 * time.Second); s.left() != 10*time.Second {
			t.Errorf("after another join, %v remain, want 10s", s.left())
		}
	})
	// A process might be suspended for three sessions, between a heartbeat's response and the goroutine
	// that reads it. That response must not count.
	inVirtualTime(t, "expires even if a heartbeat's response is unread", func(t *testing.T, c virtual) {
		f := newFloor()
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
		f.await(t, "the partitions to return", func() bool { return len(f.of("a")) == 6 && len(a.assigned) == 2 })
		var expired *SessionExpiredError
		if !errors.As(a.lostErr[0], &expired) || expired.Last != nil {
			t.Errorf("lost for %v", a.lostErr[0])
		}
		if err := a.end(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("does not start with a late response to a join", func(t *testing.T) {
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
			t.Errorf("it joined %d times and counted %d responses, want 2 and 1", joins, a.count("joined"))
		}
	})
	t.Run("refuses commits once it has expired", func(t *testing.T) {
		c, f := newCluster(t), newFloor()
		var asleep atomic.Int64
		a := newWorker(t, c, f, "a", func(w *worker) {
			// nothing else checks the session during the test
			w.cfg.SessionTimeout, w.cfg.HeartbeatInterval = time.Minute, 50*time.Second
		})
		clock := a.session.clock
		a.session.clock = func() time.Duration { return clock() + time.Duration(asleep.Load()) }
		a.start(t)
		f.awaitShares(t, map[string]int{"a": 6})
		asleep.Store(int64(a.cfg.SessionTimeout + time.Second))
		if !a.Expired() {
			t.Error("the session has not expired")
		}
		if failed := a.Commit(t.Context(), map[wire.TopicPartition]Position{orders(0): {Offset: 7}}); !errors.Is(failed[orders(0)], ErrLost) {
			t.Errorf("commit: %v", failed)
		}
	})
}
