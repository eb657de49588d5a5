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

// role keeps traffic that must not wait for each other on connections of its own.
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

// link is a Transport to one broker for one role. One address each, so that the request goes where
// our metadata says and not where the Transport's own, older one does. A link that failed is thrown
// away whole: its Transport may be stuck in its discovery.
type link struct {
	key       linkKey
	transport *kafka.Transport
	dropped   atomic.Bool
	reached   atomic.Bool // it has answered

	mu           sync.Mutex // guards what follows
	versions     map[int16]span
	transactions int16 // transaction.version, which the cluster has decided on
}

func (l *link) known() map[int16]span {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.versions
}

// negotiated returns what the broker speaks, asking it once per link.
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
		// A broker that does not know this version answers in version 0, whose first field is the
		// error.
		if len(body) >= 2 && body[0] == 0 && body[1] == byte(UnsupportedVersion) && req.Version > 0 {
			req.Version = 0
			continue
		}
		if err := resp.ReadFrom(body); err != nil {
			return nil, &kafkaerr.UnreachableError{Addr: l.key.addr, Request: named(req), Err: fmt.Errorf("malformed answer: %w", err)}
		}
		break
	}
	if err := Code(resp.ErrorCode).Err(); err != nil {
		return nil, fmt.Errorf("kafka broker %s: asking for its versions: %w", l.key.addr, err)
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

// link returns the link to addr, made on first use.
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

// drop forgets a link that failed. Requests that others have under way on it go on to their own
// end, and those that were about to begin make its Transport connect once more: each closes what it
// leaves behind.
func (c *Client) drop(l *link) {
	l.dropped.Store(true)
	c.mu.Lock()
	if c.links[l.key] == l {
		delete(c.links, l.key)
	}
	c.mu.Unlock()
	l.transport.CloseIdleConnections()
}

// transport makes a Transport like the user's, field by field: copying the struct would copy its
// lock and its pool.
func (c *Client) transport() *kafka.Transport {
	t := &kafka.Transport{
		Dial:        c.conns.dialer(nil),
		ClientID:    c.cfg.ClientID,
		MetadataTTL: 5 * time.Minute, // what it learns is not used
		// brokers only: nil would ask for every topic of the cluster
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

// room is where the bytes of a request and of its answer go.
type room struct {
	out *[]byte            // taken and, where it was too small, replaced; nil: made anew
	in  func(n int) []byte // of a slice of n bytes for the answer
	way *Sending           // of the request; nil: nobody asks
}

var fresh = room{in: func(n int) []byte { return make([]byte, n) }}

// spell writes the request into the room.
func (m room) spell(f *kmsg.RequestFormatter, req kmsg.Request, id int32) []byte {
	if m.out == nil {
		return f.AppendRequest(nil, req, id)
	}
	*m.out = f.AppendRequest((*m.out)[:0], req, id)
	return *m.out
}

// roundTrip sends req in the version that is set and returns the answer's body.
func (c *Client) roundTrip(ctx context.Context, l *link, req kmsg.Request, mem room) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, patience(req))
	defer cancel()
	id := c.ids.Add(1) & 0x7fffffff
	e := &exchange{ctx: limited, key: req.Key(), id: id, out: mem.spell(c.format, req, id), alloc: mem.in, way: mem.way}
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
		// The connection's own timeout may come first; one wording for both.
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

// known adds what is known of the address to the error that it did not answer.
func (c *Client) known(err error) error {
	if e, ok := err.(*kafkaerr.UnreachableError); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		e.Answered = c.reached[e.Addr]
		e.Advertised = !slices.Contains(c.cfg.Brokers, e.Addr)
	}
	return err
}

// greeting is how long a broker has to take a connection and to say what it speaks. A broker that
// is known not to answer costs this at each try, and not what the request behind it may take.
const greeting = 5 * time.Second

// patience is how long an answer may take: what the broker may hold it back for by its own rules,
// and 10 s. Less than 5 s would cut off a coordinator that waits for its replicas, and those
// answers are no loss.
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

// body strips what is left of the header of an answer: the tags of flexible versions, which
// ApiVersions alone never has.
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
