package kafkatest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// Flaky is a Transport that loses responses: one in oneIn reads closes its connection, after the
// broker has responded. The counter counts the losses.
func Flaky(oneIn int) (*kafka.Transport, *atomic.Int64) {
	lost := new(atomic.Int64)
	return &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &flakyConn{Conn: c, oneIn: oneIn, lost: lost}, err
	}}, lost
}

// Deaf is a Transport that loses all responses while the flag is set: requests go out, and each
// response closes its connection.
func Deaf() (*kafka.Transport, *atomic.Bool) {
	deaf := new(atomic.Bool)
	return &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &deafConn{Conn: c, deaf: deaf}, err
	}}, deaf
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
	oneIn int
	lost  *atomic.Int64
}

func (c *flakyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && rand.IntN(c.oneIn) == 0 {
		c.lost.Add(1)
		_ = c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}
