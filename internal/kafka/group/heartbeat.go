package group

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// silentFor is the shortest silence of a coordinator that is reported; a moving coordinator is
// silent for less.
const silentFor = 2 * time.Second

// heartbeat keeps a term alive until ctx ends or the term is lost. It continues during a rebalance:
// a draining member is alive.
//
// It retries until the session has expired by this side's clock, counted from the sending of the
// last answered heartbeat; the coordinator's own clock started no earlier. The first heartbeat
// follows the assignment at once, to find out whether it is still valid.
func (m *Member) heartbeat(ctx context.Context, t *term) {
	synced, reported := t.synced, false // reported: that the coordinator is silent
	for wait, failed := m.cfg.HeartbeatInterval, 0; ; {
		select {
		case <-time.After(wait):
		case <-synced:
			synced = nil
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		sent := m.session.clock()
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
		_, c, err := m.ask[*kmsg.HeartbeatResponse](ctx, "heartbeat", min(m.sessionLeft(), rpcTimeout), m.cfg.Requester.Group, req)
		if ctx.Err() != nil {
			return
		}
		switch c {
		case classOK, classRebalance:
			if !m.answered(sent) {
				m.expire(t)
				return
			}
			if reported {
				m.cfg.OnHealth(nil)
			}
			reported, failed, wait = false, 0, m.cfg.HeartbeatInterval
			if c == classRebalance {
				t.askRejoin()
			}
			continue
		case classLost, classFatal:
			m.lose(t, err)
			return
		}
		left := m.unanswered(err)
		if silent := m.cfg.SessionTimeout - left; silent >= max(silentFor, 2*m.cfg.HeartbeatInterval) {
			reported = true
			m.cfg.OnHealth(err)
		}
		m.event("retry", "a heartbeat was not answered; retrying", err)
		if left <= 0 {
			m.expire(t)
			return
		}
		failed++
		wait = min(retries.Wait(failed), m.cfg.HeartbeatInterval, left)
	}
}
