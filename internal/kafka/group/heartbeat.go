package group

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// heartbeat keeps a term alive until ctx ends or the term is lost. It goes on while the group rebalances: a member that drains is not dead.
//
// What cannot be reached is tried again until the session has run out by this side's clock, counted from when the last answered heartbeat was
// sent; the coordinator's own clock started no earlier.
func (m *Member) heartbeat(ctx context.Context, t *term) {
	answered := time.Now()
	for wait, failed := m.cfg.HeartbeatInterval, 0; pause(ctx, wait); {
		sent := time.Now()
		left := m.cfg.SessionTimeout - sent.Sub(answered)
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
		resp, err := ask[*kmsg.HeartbeatResponse](ctx, min(left, rpcTimeout), m.cfg.Requester.Group, m.cfg.Group, req)
		if ctx.Err() != nil {
			return
		}
		c, err := m.refusal("heartbeat", codeOf(resp, err), err)
		switch c {
		case classOK, classRebalance:
			answered, failed, wait = sent, 0, m.cfg.HeartbeatInterval
			if c == classRebalance {
				t.askRejoin()
			}
			continue
		case classLost, classFatal:
			m.lose(t, err)
			return
		}
		m.event("retry", "a heartbeat was not answered; trying again", err)
		left = m.cfg.SessionTimeout - time.Since(answered)
		if left <= 0 {
			m.lose(t, &SessionExpiredError{Last: err})
			return
		}
		wait = min(retryWait(failed), m.cfg.HeartbeatInterval, left)
		failed++
	}
}
