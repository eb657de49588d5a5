package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// role separates traffic that must not wait for each other onto separate connections.
type role int

const (
	fetching role = iota
	controlling
	committing
	producing
	transacting
	asking
)

type linkKey struct {
	role role
	addr string
}

// link is a Transport to one broker for one role. It has a single address, so that a request
// follows this client's metadata and not the Transport's older one. A failed link is dropped as a
// whole, since its Transport may be stuck in discovery.
type link struct {
	key       linkKey
	transport *kafka.Transport
	dropped   atomic.Bool
	reached   atomic.Bool // it has received a response

	mu           sync.Mutex // guards the fields below
	versions     map[int16]span
	transactions int16 // transaction.version, as finalized by the cluster
}

func (l *link) known() map[int16]span {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.versions
}

// negotiated returns the broker's supported versions, and asks for them once per link.
func (l *link) negotiated(ctx context.Context, c *Client) (map[int16]span, error) {
	if v := l.known(); v != nil {
		return v, nil
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "laneway", "0"
	req.Version = tested[kmsg.ApiVersions]
	resp := kmsg.NewPtrApiVersionsResponse()
	for {
		body, err := c.roundTrip(ctx, l, req, fresh)
		if err != nil {
			return nil, err
		}
		resp.Version = req.Version
		// A broker that does not know this version responds in version 0, whose first field is the error.
		if len(body) >= 2 && body[0] == 0 && body[1] == byte(UnsupportedVersion) && req.Version > 0 {
			req.Version = 0
			continue
		}
		if err := resp.ReadFrom(body); err != nil {
			return nil, &kafkaerr.UnreachableError{Addr: l.key.addr, Request: named(req), Err: fmt.Errorf("malformed response: %w", err)}
		}
		break
	}
	if err := Code(resp.ErrorCode).Err(); err != nil {
		return nil, fmt.Errorf("kafka broker %s: asking for its API versions: %w", l.key.addr, err)
	}
	v := make(map[int16]span, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		v[k.ApiKey] = span{k.MinVersion, k.MaxVersion}
	}
	l.mu.Lock()
	l.versions = v
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			l.transactions = f.MaxVersionLevel
		}
	}
	l.mu.Unlock()
	return v, nil
}

// link returns the link to addr, and creates it on first use.
func (c *Client) link(r role, addr string) (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	k := linkKey{r, addr}
	l := c.links[k]
	if l == nil {
		l = &link{key: k, transport: c.transport()}
		c.links[k] = l
	}
	return l, nil
}

// drop removes a failed link. Other requests in flight on it continue, and requests about to start
// make its Transport connect once more; each of them closes its idle connections.
func (c *Client) drop(l *link) {
	l.dropped.Store(true)
	c.mu.Lock()
	if c.links[l.key] == l {
		delete(c.links, l.key)
	}
	c.mu.Unlock()
	l.transport.CloseIdleConnections()
}

// transport copies the user's Transport field by field, since copying the struct would copy its
// lock and its pool.
func (c *Client) transport() *kafka.Transport {
	t := &kafka.Transport{
		Dial:        c.conns.dialer(nil),
		ClientID:    c.cfg.ClientID,
		MetadataTTL: 5 * time.Minute, // what it learns is not used
		// only brokers: nil would ask for every topic of the cluster
		MetadataTopics: []string{},
	}
	if u := c.cfg.Transport; u != nil {
		t.Dial = c.conns.dialer(u.Dial)
		t.DialTimeout, t.IdleTimeout = u.DialTimeout, u.IdleTimeout
		t.TLS, t.Resolver = u.TLS, u.Resolver
		if u.SASL != nil {
			t.SASL = watched{u.SASL}
		}
		if t.ClientID == "" {
			t.ClientID = u.ClientID
		}
	}
	return t
}

// room is the memory for a request and its response.
type room struct {
	out *[]byte            // reused, and replaced if too small; nil: allocate
	in  func(n int) []byte // returns a slice of n bytes for the response
	way *Sending           // of the request; may be nil
}

var fresh = room{in: func(n int) []byte { return make([]byte, n) }}

// encode encodes the request into the room.
func (m room) encode(f *kmsg.RequestFormatter, req kmsg.Request, id int32) []byte {
	if m.out == nil {
		return f.AppendRequest(nil, req, id)
	}
	*m.out = f.AppendRequest((*m.out)[:0], req, id)
	return *m.out
}

// roundTrip sends req in its version and returns the body of the response.
func (c *Client) roundTrip(ctx context.Context, l *link, req kmsg.Request, mem room) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, patience(req))
	defer cancel()
	id := c.ids.Add(1) & 0x7fffffff
	e := &exchange{ctx: limited, key: req.Key(), id: id, out: mem.encode(c.format, req, id), alloc: mem.in, way: mem.way}
	try := new(attempt)
	_, err := l.transport.RoundTrip(context.WithValue(limited, attemptKey{}, try), kafka.TCP(l.key.addr), e)
	if err == nil {
		if l.dropped.Load() {
			l.transport.CloseIdleConnections()
		}
		c.hasAnswered(l)
		return body(e.in, req)
	}
	c.drop(l)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrClosed):
		return nil, ErrClosed
	case try.refused(err) != nil:
		return nil, &kafkaerr.AuthError{Addr: l.key.addr, Err: try.refused(err)}
	case limited.Err() != nil:
		// The connection's own timeout may come first; both get the same text.
		err = fmt.Errorf("%w after %v", context.DeadlineExceeded, patience(req))
	}
	return nil, c.known(classify(l.key.addr, named(req), err))
}

func (c *Client) hasAnswered(l *link) {
	if l.reached.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached[l.key.addr] = true
}

// known adds what this client knows about the address to an unreachable error.
func (c *Client) known(err error) error {
	if e, ok := errors.AsType[*kafkaerr.UnreachableError](err); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.Answered = c.reached[e.Addr]
		e.Advertised = !slices.Contains(c.cfg.Brokers, e.Addr)
	}
	return err
}

// greeting is how long a broker may take to accept a connection and return its versions. A dead
// broker costs this much per attempt, and not the full timeout of the request.
const greeting = 5 * time.Second

// patience is the timeout of a request: the time that the broker may hold it by its own rules, plus
// 10 s. Less than 5 s would cut off a coordinator that waits for its replicas.
func patience(req kmsg.Request) time.Duration {
	const grace = 10 * time.Second
	switch r := req.(type) {
	case *kmsg.ApiVersionsRequest:
		return greeting
	case *kmsg.FetchRequest:
		return grace + time.Duration(r.MaxWaitMillis)*time.Millisecond
	case *kmsg.ProduceRequest:
		return grace + time.Duration(r.TimeoutMillis)*time.Millisecond
	case *kmsg.JoinGroupRequest:
		return grace + time.Duration(max(r.RebalanceTimeoutMillis, r.SessionTimeoutMillis))*time.Millisecond
	case *kmsg.SyncGroupRequest:
		// held until the leader has sent the assignment; the caller knows the group's own limit
		return grace + 5*time.Minute
	}
	return grace
}

// body strips the rest of a response header: the tags of flexible versions, which ApiVersions never
// has.
func body(b []byte, req kmsg.Request) ([]byte, error) {
	if !req.IsFlexible() || req.Key() == int16(kmsg.ApiVersions) {
		return b, nil
	}
	r := &reader{b: b}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		r.uvarint()
		r.skip(r.uvarint())
	}
	return r.b, r.err
}
