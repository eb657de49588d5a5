package wire

import (
	"context"
	"errors"
	"math"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinatorKey names a group or a transactional id with a coordinator.
type coordinatorKey struct {
	of   int8
	name string
}

const (
	ofGroup       int8 = 0
	ofTransaction int8 = 1
)

func (k coordinatorKey) fault(err error) error {
	if k.of == ofTransaction {
		return &TransactionError{k.name, err}
	}
	return &GroupError{k.name, err}
}

// Group sends req to the coordinator of group. A response that says that the coordinator has moved
// is returned; the next call looks the coordinator up again.
func (c *Client) Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	return c.coordinated(ctx, controlling, coordinatorKey{ofGroup, group}, req, math.MaxInt16)
}

// Commit is Group on separate connections. A coordinator that waits for its replicas delays commits
// for seconds, and heartbeats queued behind them would cost the membership. Offsets with topic ids
// are stored for those topics alone, see commitOffsets.
func (c *Client) Commit(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if offsets, ok := req.(*kmsg.OffsetCommitRequest); ok {
		return c.commitOffsets(ctx, group, offsets)
	}
	return c.coordinated(ctx, committing, coordinatorKey{ofGroup, group}, req, math.MaxInt16)
}

func (c *Client) coordinated(ctx context.Context, r role, k coordinatorKey, req kmsg.Request, limit int16) (kmsg.Response, error) {
	id, err := c.coordinator(ctx, k)
	if err != nil {
		return nil, err
	}
	resp, err := c.node(ctx, r, id, req, limit)
	var unreachable *kafkaerr.UnreachableError
	switch {
	case errors.As(err, &unreachable), err == nil && moved(resp):
		c.forget(k, id)
	}
	return resp, err
}

func (c *Client) forget(k coordinatorKey, id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.coordinators[k] == id {
		delete(c.coordinators, k)
	}
}

// Moved makes the next call look up the group's coordinator again.
func (c *Client) Moved(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coordinators, coordinatorKey{ofGroup, group})
}

// coordinator returns the node id of the coordinator, and looks it up if it is unknown.
func (c *Client) coordinator(ctx context.Context, k coordinatorKey) (int32, error) {
	c.mu.Lock()
	id, ok := c.coordinators[k]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorType = k.name, k.of
	r, err := c.Any(ctx, req)
	if err != nil {
		return 0, k.fault(err)
	}
	resp := r.(*kmsg.FindCoordinatorResponse)
	if err := Code(resp.ErrorCode).Err(); err != nil {
		return 0, k.fault(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.brokers[resp.NodeID] = Broker{ID: resp.NodeID, Host: resp.Host, Port: resp.Port, Rack: c.brokers[resp.NodeID].Rack}
	c.coordinators[k] = resp.NodeID
	return resp.NodeID, nil
}

// moved reports whether a response says that its sender is not, or not yet, the coordinator.
func moved(resp kmsg.Response) bool {
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.SyncGroupResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.HeartbeatResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.ConsumerGroupHeartbeatResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.InitProducerIDResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.AddOffsetsToTxnResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.EndTxnResponse:
		return elsewhere(r.ErrorCode)
	case *kmsg.AddPartitionsToTxnResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if elsewhere(p.ErrorCode) {
					return true
				}
			}
		}
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if elsewhere(p.ErrorCode) {
					return true
				}
			}
		}
	case *kmsg.OffsetFetchResponse:
		if elsewhere(r.ErrorCode) {
			return true
		}
		for _, g := range r.Groups {
			if elsewhere(g.ErrorCode) {
				return true
			}
		}
	case *kmsg.OffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if elsewhere(p.ErrorCode) {
					return true
				}
			}
		}
	}
	return false
}

func elsewhere(code int16) bool {
	switch Code(code) {
	case CoordinatorLoading, CoordinatorNotAvailable, NotCoordinator:
		return true
	}
	return false
}
