package wire

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// requests holds the bytes of produce requests.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// Produce sends a produce request to the broker with that node id, up to version limit. After an
// error, way reports whether the broker may have received it.
func (c *Client) Produce(ctx context.Context, id int32, req *kmsg.ProduceRequest, limit int16, way *Sending) (*kmsg.ProduceResponse, error) {
	addr, err := c.address(id, req)
	if err != nil {
		return nil, err
	}
	out := requests.Get().(*[]byte)
	b, err := c.ask(ctx, producing, addr, req, limit, room{out: out, in: fresh.in, way: way})
	if err != nil {
		return nil, err // out is not returned to the pool: a cancelled exchange may still read it
	}
	if cap(*out) <= keep {
		requests.Put(out)
	}
	r, err := decode(addr, req, b)
	if err != nil {
		return nil, err
	}
	return r.(*kmsg.ProduceResponse), nil
}
