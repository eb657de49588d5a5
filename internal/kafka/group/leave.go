package group

import (
	"context"
	"errors"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveTimeout bounds the tries to leave, and before them the wait for the id of a first join. If
// they fail, the session timeout removes the member.
const leaveTimeout = 3 * time.Second

// leave ends this membership, including one that a join in flight may have created. Otherwise the
// group would wait for a member that is gone. A static member stays, so that it can restart without
// a rebalance.
func (m *Member) leave(ctx context.Context) {
	m.mu.Lock()
	id := m.id
	m.mu.Unlock()
	if id == "" || m.cfg.InstanceID != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	c, err := m.askToLeave(ctx, id)
	// The coordinator moves, or a connection broke. It may have heard a request that failed.
	for try := 1; c == classRetry && retries.Pause(ctx, try); try++ {
		if c, err = m.askToLeave(ctx, id); errors.Is(err, wire.UnknownMemberID) {
			err = nil
		}
	}
	m.event("left", "member "+id, err)
}

func (m *Member) askToLeave(ctx context.Context, id string) (class, error) {
	reason := "the consumer is being closed"
	if m.cfg.ClientID != "" {
		reason = m.cfg.ClientID + ": " + reason
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.cfg.Group, id
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID, member.Reason = id, &reason
	req.Members = append(req.Members, member)
	resp, c, err := m.ask[*kmsg.LeaveGroupResponse](ctx, "leave", leaveTimeout, m.cfg.Requester.Group, req)
	if err == nil && len(resp.Members) > 0 {
		return m.refusal("leave", wire.Code(resp.Members[0].ErrorCode))
	}
	return c, err
}
