package source_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"testing"

	"github.com/laneway-go/laneway/source"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// network is the network between a worker and its brokers, which a test can cut.
type network struct {
	mu    sync.Mutex // guards both
	cut   bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		return nil, errors.New("the network is cut")
	}
	c, err := new(net.Dialer).DialContext(ctx, kind, addr)
	if err == nil {
		n.conns = append(n.conns, c)
	}
	return c, err
}

func (n *network) set(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut = cut; cut {
		for _, c := range n.conns {
			c.Close()
		}
	}
}

func TestKafkaOutage(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 2, 20)
	var way network
	cfg := config(k)
	cfg.Transport = &kafka.Transport{Dial: way.dial}
	got := newRecorder()
	l := listen(t, source.Kafka(cfg).Serial(got.record).CommitEvery(1, 0))
	got.wait(t, 40)
	way.set(true)
	l.await("metadata failed")
	if l.Ready() == nil {
		t.Error("ready while no broker is reachable")
	}
	write(t, prod, "orders", 2, 20)
	way.set(false)
	l.await("recovered")
	got.wait(t, 80)
	if err := l.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	l.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(2, 40)) {
		t.Errorf("committed: %v", c)
	}
}
