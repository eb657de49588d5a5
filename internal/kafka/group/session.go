package group

import (
	"context"
	"fmt"
	"github.com/laneway-go/laneway/internal/backoff"
	"math"
	"sync/atomic"
	"time"
)

// session is how long this member may rely on the coordinator's last answer, by this side's
// monotonic clock. A process that was suspended (SIGSTOP, a frozen VM) finds it expired when it
// wakes, before any request.
//
// An expired session stays expired until the member joins again: a late answer does not revive it.
// All but the first check of Expired needs Member.mu.
type session struct {
	clock func() time.Duration
	until atomic.Int64 // on clock; the session may be over after that
	over  bool         // it was found expired
	last  error        // why the last heartbeat failed; nil: it succeeded
}

func newSession() *session {
	start := time.Now()
	s := &session{clock: func() time.Duration { return time.Since(start) }}
	s.until.Store(math.MaxInt64) // no session yet
	return s
}

// start starts a session that lasts for d.
func (s *session) start(d time.Duration) {
	s.over, s.last = false, nil
	s.until.Store(int64(s.clock() + d))
}

// left returns the rest of the session: 0 or less if it may be over.
func (s *session) left() time.Duration {
	if s.over {
		return 0
	}
	left := time.Duration(s.until.Load()) - s.clock()
	s.over = left <= 0
	return left
}

// extend extends the session to until, unless it may be over already.
func (s *session) extend(until time.Duration) bool {
	if s.left() <= 0 {
		return false
	}
	s.until.Store(max(s.until.Load(), int64(until)))
	return true
}

// Expired implements Membership.
func (m *Member) Expired() bool {
	if s := m.session; int64(s.clock()) < s.until.Load() {
		return false // no lock, since this runs before each record
	}
	return m.sessionLeft() <= 0
}

// keepSession loses the membership once its session may be over, until ctx ends. A coordinator
// counts a member that waits in JoinGroup as alive, so the session is extended during the wait,
// while this goroutine runs. If it did not run for a session's time, the response may be that old.
func (m *Member) keepSession(ctx context.Context) {
	var waiting int // number of checks during the first join
	for wait := time.Duration(0); backoff.Pause(ctx, wait); {
		m.mu.Lock()
		t, s := m.term, m.session
		if m.waiting {
			s.extend(s.clock() + m.cfg.SessionTimeout)
		}
		if waiting++; !m.waiting || t != nil && t.err == nil {
			waiting = 0
		}
		left := s.left()
		m.mu.Unlock()
		if wait = min(left, m.cfg.HeartbeatInterval); left <= 0 {
			m.expire(t)
			wait = m.cfg.HeartbeatInterval
		}
		if waiting == 2 {
			m.event("waiting", fmt.Sprintf("for the group's other members to rejoin; the group waits for a member that died without leaving (kill -9, a lost node) up to its "+
				"session timeout (%v here)", m.cfg.SessionTimeout), nil)
		}
	}
}

func (m *Member) sessionLeft() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session.left()
}

// expire loses a term whose session may be over by this side's clock.
func (m *Member) expire(t *term) {
	m.mu.Lock()
	last := m.session.last
	m.mu.Unlock()
	m.lose(t, &SessionExpiredError{Timeout: m.cfg.SessionTimeout, Last: last})
}

// answered records the response to a heartbeat sent at that time of the session's clock. It returns
// false if the response came too late to count.
func (m *Member) answered(sent time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session.last = nil
	return m.session.extend(sent + m.cfg.SessionTimeout)
}

// unanswered records why a heartbeat failed, and returns the rest of the session.
func (m *Member) unanswered(err error) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session.last = err
	return m.session.left()
}
