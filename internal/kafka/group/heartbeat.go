package group

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// heartbeat keeps a term alive until ctx ends or the term is lost. It goes on while the group rebalances: a member that drains is not dead.
//
// What cannot be reached is tried again until the session is over by this side's clock, counted from when the last answered heartbeat was
// sent; the coordinator's own clock started no earlier. The first heartbeat follows the assignment at once: it tells whether that still stands.
func (m *Member) heartbeat(ctx context.Context, t *term) {
	synced := t.synced
	for wait, failed := m.cfg.HeartbeatInterval, 0; ; {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-synced:
			synced = nil
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		sent := m.session.clock()
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
		resp, err := ask[*kmsg.HeartbeatResponse](ctx, min(m.sessionLeft(), rpcTimeout), m.cfg.Requester.Group, m.cfg.Group, req)
		if ctx.Err() != nil {
			return
		}
		c, err := m.refusal("heartbeat", codeOf(resp, err), err)
		switch c {
		case classOK, classRebalance:
			if !m.answered(sent) {
				m.expire(t)
				return
			}
			if failed > 0 {
				m.cfg.OnHealth(nil)
			}
			failed, wait = 0, m.cfg.HeartbeatInterval
			if c == classRebalance {
				t.askRejoin()
			}
			continue
		case classLost, classFatal:
			m.lose(t, err)
			return
		}
		left := m.unanswered(err)
		m.cfg.OnHealth(err)
		m.event("retry", "a heartbeat was not answered; trying again", err)
		if left <= 0 {
			m.expire(t)
			return
		}
		wait = min(backoff(failed), m.cfg.HeartbeatInterval, left)
		failed++
	}
}
