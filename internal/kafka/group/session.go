package group

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// session is how long this member may act on the coordinator's last word, by this side's monotonic
// clock. A process that stood still (SIGSTOP, a frozen VM) finds it over when it wakes, before it
// has asked anybody.
//
// Once over, it stays over until the member joins again: an answer that is read too late does not
// bring it back. Everything but Expired's first look needs Member.mu.
type session struct {
	clock func() time.Duration
	until atomic.Int64 // of clock; it may be over afterwards
	over  bool         // it was found to be over
	last  error        // why the last heartbeat failed; nil: it did not
}

func newSession() *session {
	began := time.Now()
	s := &session{clock: func() time.Duration { return time.Since(began) }}
	s.until.Store(math.MaxInt64) // nothing to lose yet
	return s
}

// start begins a session that lasts for d.
func (s *session) start(d time.Duration) {
	s.over, s.last = false, nil
	s.until.Store(int64(s.clock() + d))
}

// left is how long the session lasts still: 0 or less where it may be over.
func (s *session) left() time.Duration {
	if s.over {
		return 0
	}
	left := time.Duration(s.until.Load()) - s.clock()
	s.over = left <= 0
	return left
}

// extend makes the session last until then, unless it may be over already.
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
		return false // what is asked before each record takes no lock
	}
	return m.sessionLeft() <= 0
}

// keepSession loses the membership when its session may be over, until ctx ends. A coordinator
// counts a member that waits in JoinGroup as alive, so the session goes on meanwhile, as long as
// this goroutine runs: if it did not for a session's time, the answer may be as old as that.
func (m *Member) keepSession(ctx context.Context) {
	var waiting int // looks that have found the first join under way
	for wait := time.Duration(0); pause(ctx, wait); {
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
			m.event("waiting", fmt.Sprintf("for the group's other members to rejoin; one that left without a word (kill -9, a lost node) is waited for up to its "+
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

// answered notes that the coordinator has answered a heartbeat that was sent at that time of the
// session's clock. false: the answer came too late to count.
func (m *Member) answered(sent time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session.last = nil
	return m.session.extend(sent + m.cfg.SessionTimeout)
}

// unanswered notes why a heartbeat failed, and tells how long the session lasts still.
func (m *Member) unanswered(err error) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session.last = err
	return m.session.left()
}
