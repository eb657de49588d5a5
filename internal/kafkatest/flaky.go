package kafkatest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// Flaky is a Transport that loses responses of another one; nil: of the usual one. On average, one
// in oneIn reads closes its connection, after the broker has responded. Of any 2*oneIn-1 reads at
// least one does. The counter counts the losses.
func Flaky(of *kafka.Transport, oneIn int) (*kafka.Transport, *atomic.Int64) {
	f, dial := &flaky{oneIn: oneIn}, dialerOf(of)
	return &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &flakyConn{Conn: c, of: f}, err
	}}, &f.lost
}

// flaky decides which reads of its connections are lost.
type flaky struct {
	oneIn int
	lost  atomic.Int64

	mu   sync.Mutex // guards left
	left int        // reads until the next loss; 0: not drawn yet
}

func (f *flaky) loses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		f.left = 1 + rand.IntN(2*f.oneIn-1)
	}
	f.left--
	return f.left == 0
}

// Deaf is a Transport that loses all responses of another while the flag is set: requests go out,
// and each response closes its connection.
func Deaf(of *kafka.Transport) (*kafka.Transport, *atomic.Bool) {
	deaf, dial := new(atomic.Bool), dialerOf(of)
	return &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return &deafConn{Conn: c, deaf: deaf}, err
	}}, deaf
}

func dialerOf(t *kafka.Transport) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if t == nil {
		return new(net.Dialer).DialContext
	}
	return t.Dial
}

type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.deaf.Load() {
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

type flakyConn struct {
	net.Conn
	of *flaky
}

func (c *flakyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.of.loses() {
		c.of.lost.Add(1)
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}
