package group

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const patience = 20 * time.Second

func newCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond), kfake.SeedTopics(6, "group-orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// site is where a test's group lives: a kfake cluster, or a real one (real_test.go) that it shares
// with other tests.
type site interface{ ListenAddrs() []string }

func groupAt(s site) string {
	if r, ok := s.(*realKafka); ok {
		return r.group
	}
	return "billing"
}

// client is a Requester over franz-go, with a hook that can answer a request instead of the broker.
type client struct {
	kgo  *kgo.Client
	hook func(kmsg.Request) (kmsg.Response, error, bool)
}

func newClient(t *testing.T, c site) *client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &client{kgo: cl}
}

func (c *client) Commit(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	return c.Group(ctx, group, req)
}

func (c *client) Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if c.hook != nil {
		if resp, err, handled := c.hook(req); handled {
			return resp, err
		}
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = group
	resp, err := find.RequestWith(ctx, c.kgo)
	if err != nil {
		return nil, err
	}
	id := resp.NodeID
	if len(resp.Coordinators) > 0 {
		id = resp.Coordinators[0].NodeID
	}
	return c.kgo.Broker(int(id)).Request(ctx, req)
}

func (c *client) partitions(ctx context.Context, topics []string) (map[string]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &topic
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.kgo)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int32)
	for _, rt := range resp.Topics {
		if rt.ErrorCode == 0 {
			counts[*rt.Topic] = int32(len(rt.Partitions))
		}
	}
	return counts, nil
}
