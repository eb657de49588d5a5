package source_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// network is what lies between a worker and its brokers, and can be cut.
type network struct {
	mu    sync.Mutex // guards both
	cut   bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, kind, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		return nil, errors.New("network is cut")
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

func TestKafkaOutageIsToldByReadyAndWaitedOut(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 2, 20)
	var way network
	cfg := config(k)
	cfg.Transport = &kafka.Transport{Dial: way.dial}
	events := make(chan string, 1000)
	got := newSeen()
	p, err := source.Kafka(cfg).Serial(got.take).CommitEvery(1, 0).Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if x, ok := e.(stream.SourceEvent); ok {
			select {
			case events <- x.Name:
			default:
			}
		}
	}}))
	if err != nil {
		t.Fatal(err)
	}
	await := func(name string) {
		t.Helper()
		limit := time.After(20 * time.Second)
		for {
			select {
			case e := <-events:
				if e == name {
					return
				}
			case <-limit:
				t.Fatalf("no event %q", name)
			}
		}
	}
	r := runBuilt(t, p)
	got.wait(t, 40)
	way.set(true)
	await("metadata failed")
	if p.Ready() == nil {
		t.Error("ready, and no broker can be reached")
	}
	write(t, prod, "orders", 2, 20)
	way.set(false)
	await("recovered")
	got.wait(t, 80)
	if err := p.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	r.stop()
	if c := committed(t, k, "billing", "orders"); !maps.Equal(c, each(2, 40)) {
		t.Errorf("committed: %v", c)
	}
}
