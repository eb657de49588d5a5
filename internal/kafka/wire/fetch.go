package wire

import (
	"context"
	"math"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// buffers holds the bytes of fetch responses, which are megabytes each and short-lived: records are
// copied out of them.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keep is the largest buffer to reuse. One giant record must not hold memory for the life of the
// process.
const keep = 8 << 20

// Fetch sends a fetch request to the broker with that node id. The response's RecordBatches are
// valid until release is called. The caller must call release exactly once, and only if the error
// is nil.
//
// Topics go by id if the broker supports it (version 13) and every TopicID in req is set, otherwise
// by name. Both must be filled in.
func (c *Client) Fetch(ctx context.Context, id int32, req *kmsg.FetchRequest) (resp *kmsg.FetchResponse, release func(), err error) {
	addr, err := c.address(id, req)
	if err != nil {
		return nil, nil, err
	}
	limit := int16(math.MaxInt16)
	for i := range req.Topics {
		if req.Topics[i].TopicID == ([16]byte{}) {
			limit = byNameOnly
		}
	}
	buf := buffers.Get().(*[]byte)
	b, err := c.ask(ctx, fetching, addr, req, limit, room{in: func(n int) []byte {
		if cap(*buf) < n {
			*buf = make([]byte, n)
		}
		return (*buf)[:n]
	}})
	if err != nil {
		// Not returned to the pool: a cancelled exchange may still write to it.
		return nil, nil, err
	}
	r, err := decode(addr, req, b)
	if err != nil {
		return nil, nil, err
	}
	return r.(*kmsg.FetchResponse), func() {
		if cap(*buf) <= keep {
			buffers.Put(buf)
		}
	}, nil
}
