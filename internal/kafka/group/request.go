package group

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
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

// ask sends req with a deadline and returns its response of type R.
func ask[R kmsg.Response](ctx context.Context, limit time.Duration, send func(context.Context, string, kmsg.Request) (kmsg.Response, error),
	group string, req kmsg.Request,
) (R, error) {
	var none R
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := send(ctx, group, req)
	if err != nil {
		return none, err
	}
	r, ok := resp.(R)
	if !ok {
		return none, fmt.Errorf("the response to %s is a %T", kmsg.NameForKey(req.Key()), resp)
	}
	return r, nil
}

// moved makes the requester look up the coordinator again.
func (m *Member) moved() {
	if r, ok := m.cfg.Requester.(refresher); ok {
		r.Moved(m.cfg.Group)
	}
}

// refusal classifies the outcome of a request: an error code, or a transport error, which is
// retried unless it is permanent, such as a refused login.
func (m *Member) refusal(op string, code int16, err error) (class, error) {
	switch {
	case wire.Fatal(err):
		return classFatal, &kafkaerr.GroupError{Group: m.cfg.Group, Op: op, Err: err}
	case err != nil:
		m.moved()
		return classRetry, &RetriableError{Group: m.cfg.Group, Op: op, Err: err}
	}
	c := classify(code)
	switch c {
	case classOK:
		return c, nil
	case classMoved:
		m.moved()
	case classFatal:
		return c, fatal(m.cfg.Group, op, code)
	case classLost:
		if kafka.Error(code) == kafka.FencedInstanceID {
			return c, fatal(m.cfg.Group, op, code)
		}
		return c, kafka.Error(code)
	}
	return c, &RetriableError{Group: m.cfg.Group, Op: op, Err: kafka.Error(code)}
}

// codeOf returns the top-level error code of a response.
func codeOf(resp kmsg.Response, err error) int16 {
	if err != nil {
		return 0
	}
	switch r := resp.(type) {
	case *kmsg.JoinGroupResponse:
		return r.ErrorCode
	case *kmsg.SyncGroupResponse:
		return r.ErrorCode
	case *kmsg.HeartbeatResponse:
		return r.ErrorCode
	case *kmsg.LeaveGroupResponse:
		return r.ErrorCode
	case *kmsg.OffsetFetchResponse:
		return r.ErrorCode
	}
	return 0
}

// instance returns the group.instance.id in the form of requests.
func (m *Member) instance() *string {
	if m.cfg.InstanceID == "" {
		return nil
	}
	return &m.cfg.InstanceID
}
