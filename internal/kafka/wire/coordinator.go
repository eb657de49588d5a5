package wire

import (
	"context"
	"errors"
	"math"
	"reflect"

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
	switch {
	case err == nil && moved(reflect.ValueOf(resp)), err != nil && !errors.Is(err, context.Canceled):
		c.forget(k, id)
	}
	return resp, err
}

// negotiateWith returns the link to a coordinator, and the versions that its broker supports.
func (c *Client) negotiateWith(ctx context.Context, r role, k coordinatorKey) (*link, map[int16]span, error) {
	id, err := c.coordinator(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	addr, err := c.address(id, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return nil, nil, err
	}
	l, theirs, err := c.negotiate(ctx, r, addr)
	if err != nil {
		c.forget(k, id)
	}
	return l, theirs, err
}

func (c *Client) forget(k coordinatorKey, id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.coordinators[k] == id {
		delete(c.coordinators, k)
	}
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

// moved reports whether any part of a response says that its sender is not the coordinator.
func moved(resp reflect.Value) bool {
	switch resp.Kind() {
	case reflect.Pointer:
		return moved(resp.Elem())
	case reflect.Struct:
		if outcome(resp).In(Elsewhere) {
			return true
		}
		for _, part := range resp.Fields() {
			if part.Kind() == reflect.Slice && part.Type().Elem().Kind() == reflect.Struct && moved(part) {
				return true
			}
		}
	case reflect.Slice:
		for i := range resp.Len() {
			if moved(resp.Index(i)) {
				return true
			}
		}
	}
	return false
}
