package wire

import (
	"context"
	"net"
	"sync"
	"time"
)

// connections tracks the connections of a Client. A Transport closes only idle connections, and one
// in a long poll would outlive its Client. A Transport stays in memory for its IdleTimeout after
// Close, and its Dial with it. Through that it must not reach the Client, which knows the run.
type connections struct {
	mu     sync.Mutex // guards open and closed; never held while dialing or closing
	open   map[net.Conn]struct{}
	closed bool
}

func (c *connections) dialer(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		t := &tracked{Conn: conn, owner: c}
		c.mu.Lock()
		closed := c.closed
		if !closed {
			c.open[t] = struct{}{}
		}
		c.mu.Unlock()
		if closed {
			_ = conn.Close()
			return nil, ErrClosed
		}
		return t, nil
	}
}

func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = map[net.Conn]struct{}{}
	c.mu.Unlock()
	for conn := range open {
		_ = conn.Close() // no longer read
	}
}

type tracked struct {
	net.Conn
	owner *connections
}

func (t *tracked) Close() error {
	t.owner.mu.Lock()
	delete(t.owner.open, t)
	t.owner.mu.Unlock()
	return t.Conn.Close()
}
