package group

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// rpcTimeout exceeds the 5 s that a broker may hold a group request while the offsets partition has
	// too few replicas in sync.
	rpcTimeout = 10 * time.Second
	// joinGrace is added to the rebalance timeout of a JoinGroup, and to the leader's own time of a
	// SyncGroup.
	joinGrace = 5 * time.Second
)

var retries = backoff.Policy{First: 100 * time.Millisecond, Most: 2 * time.Second}

// send is a method of a Requester.
type send func(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)

// ask sends req with a deadline, and classifies the outcome.
func (m *Member) ask[R kmsg.Response](ctx context.Context, op string, limit time.Duration, send send, req kmsg.Request) (resp R, c class, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := send(ctx, m.cfg.Group, req)
	switch {
	case wire.Fatal(err):
		return resp, classFatal, &kafkaerr.GroupError{Group: m.cfg.Group, Op: op, Err: err}
	case err != nil:
		return resp, classRetry, &RetriableError{Group: m.cfg.Group, Op: op, Err: err}
	}
	resp, ok := r.(R)
	if !ok {
		return resp, classRetry, &RetriableError{Group: m.cfg.Group, Op: op, Err: fmt.Errorf("the response to %s is a %T", kmsg.NameForKey(req.Key()), r)}
	}
	c, err = m.refusal(op, wire.Outcome(resp))
	return resp, c, err
}

// refusal classifies an error code.
func (m *Member) refusal(op string, code wire.Code) (class, error) {
	c := classify(code)
	switch {
	case c == classOK:
		return c, nil
	case c == classFatal, code == wire.FencedInstanceID:
		return c, fatal(m.cfg.Group, op, code)
	case c == classLost:
		return c, code
	}
	return c, &RetriableError{Group: m.cfg.Group, Op: op, Err: code}
}

// instance returns the group.instance.id in the form of requests.
func (m *Member) instance() *string {
	if m.cfg.InstanceID == "" {
		return nil
	}
	return &m.cfg.InstanceID
}
