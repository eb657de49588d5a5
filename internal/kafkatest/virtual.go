package kafkatest

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Virtual is Fake and At in virtual time: it is called in a bubble of testing/synctest. Clients
// reach the cluster through the Transport, without a network, so that a timeout ends only when all
// goroutines wait, however slow the machine is.
func Virtual(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, *Kafka, *kafka.Transport) {
	t.Helper()
	n := new(kfake.VirtualNetwork)
	c := Fake(t, append(opts, kfake.ListenFn(n.Listen))...)
	return c, At(t, c.ListenAddrs(), kgo.Dialer(n.DialContext)), &kafka.Transport{Dial: n.DialContext}
}

// Freeze has these addresses accept a Transport's connections and never answer.
func Freeze(t *kafka.Transport, addrs ...string) {
	dial := t.Dial
	t.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !slices.Contains(addrs, addr) {
			return dial(ctx, network, addr)
		}
		c, _ := net.Pipe()
		return frozenConn{c}, nil
	}
}

// frozenConn takes requests, as a kernel does for a process that does not read them.
type frozenConn struct{ net.Conn }

func (frozenConn) Write(b []byte) (int, error) { return len(b), nil }
