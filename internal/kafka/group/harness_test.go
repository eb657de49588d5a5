package group

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience bounds every wait. It is much longer than anything takes on a busy machine, and shorter
// than the sessions and rebalances of quick, so that no test passes because one of them ended.
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

// virtual is a cluster in virtual time, which its clients reach without a network.
type virtual struct {
	*kfake.Cluster
	network *kfake.VirtualNetwork
}

// inVirtualTime runs a subtest in which no time passes but that for which all goroutines wait.
func inVirtualTime(t *testing.T, name string, test func(t *testing.T, c virtual)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			network := new(kfake.VirtualNetwork)
			test(t, virtual{newCluster(t, kfake.ListenFn(network.Listen)), network})
		})
	})
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
	opts := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
	if v, ok := c.(virtual); ok {
		opts = append(opts, kgo.Dialer(v.network.DialContext))
	}
	cl, err := kgo.NewClient(opts...)
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
	return c.send(ctx, group, req)
}

func (c *client) send(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
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
