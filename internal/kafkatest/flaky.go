package kafkatest

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// Flaky is a Transport whose connections lose answers: one in so many reads ends the connection, after the broker has answered. It counts them.
func Flaky(oneIn int) (*kafka.Transport, *atomic.Int64) {
	lost := new(atomic.Int64)
	return &kafka.Transport{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &flakyConn{Conn: c, oneIn: oneIn, lost: lost}, err
	}}, lost
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
