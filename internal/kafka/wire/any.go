package wire

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hedgeAfter is how long to wait for an address before asking the next one as well, so that a
// frozen one does not delay the others.
const hedgeAfter = time.Second

// Any sends req to any broker that answers: first those named in metadata, then the configured
// ones.
func (c *Client) Any(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	addrs := c.addresses()
	if len(addrs) == 0 {
		return nil, errors.New("no Kafka brokers are configured: set KafkaConfig.Brokers")
	}
	var wg conc.WaitGroup
	defer wg.Wait()
	trying, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		addr string
		resp kmsg.Response
		err  error
	}
	answers := make(chan answer, len(addrs)) // buffered for all, so that no sender blocks
	hedge := time.NewTimer(0)
	defer hedge.Stop()
	var errs []error
	for asked, left := 0, len(addrs); left > 0; {
		select {
		case <-hedge.C:
			if asked < len(addrs) {
				addr := addrs[asked]
				asked++
				wg.Go(func() {
					resp, err := c.send(trying, asking, addr, copied(req), math.MaxInt16)
					answers <- answer{addr, resp, err}
				})
				hedge.Reset(hedgeAfter)
			}
		case a := <-answers:
			left--
			if a.err == nil {
				c.mu.Lock()
				c.answered = a.addr
				c.mu.Unlock()
				return a.resp, nil
			}
			if ctx.Err() == nil && Fatal(a.err) {
				return nil, a.err
			}
			errs = append(errs, a.err)
			hedge.Reset(0)
		case <-ctx.Done():
			left = 0
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &kafkaerr.UnreachableError{Addr: strings.Join(addrs, ", "), Request: named(req), Err: errors.Join(append(errs, ctx.Err())...)}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, errors.Join(errs...)
}

// copied returns a copy of req, since each broker may need another version.
func copied(req kmsg.Request) kmsg.Request {
	v := reflect.New(reflect.TypeOf(req).Elem())
	v.Elem().Set(reflect.ValueOf(req).Elem())
	return v.Interface().(kmsg.Request)
}
