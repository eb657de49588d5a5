package wire

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that throttles a client answers at once, and reads no request of that connection until
// the time is over (KIP-219). A request sent before would use up its timeout. Fetches and produce
// requests are kept back by their callers, which know what else they may do.

// keptBack waits until the broker accepts requests of that link again.
func (c *Client) keptBack(ctx context.Context, k linkKey) error {
	c.mu.Lock()
	until, ok := c.throttled[k]
	c.mu.Unlock()
	if !ok {
		return nil
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.throttled[k].Equal(until) {
		delete(c.throttled, k)
	}
	return nil
}

// heed keeps later requests of a link back as long as a response asks for.
func (c *Client) heed(k linkKey, resp kmsg.Response) {
	r, ok := resp.(kmsg.ThrottleResponse)
	if !ok {
		return
	}
	millis, after := r.Throttle()
	if millis <= 0 || !after {
		return
	}
	d := time.Duration(millis) * time.Millisecond
	c.mu.Lock()
	c.throttled[k] = time.Now().Add(d)
	c.mu.Unlock()
	if c.cfg.OnThrottled != nil {
		c.cfg.OnThrottled(fmt.Sprintf("broker %s throttles this client's %s requests for %v: a quota is used up", k.addr, kmsg.NameForKey(resp.Key()), d))
	}
}
