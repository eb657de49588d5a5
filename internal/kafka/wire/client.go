package wire

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Config configures how to reach a cluster.
type Config struct {
	Brokers []string // host:port of a few of the cluster's brokers, to connect to first
	// provides Dial, DialTimeout, IdleTimeout, TLS, SASL and Resolver; nil: plain TCP
	Transport *kafka.Transport
	ClientID  string // sent with each request; empty: the Transport's
	// OnThrottled reports that a broker throttles other requests than those to fetch and produce.
	// May be nil; must not block.
	OnThrottled func(text string)
}

// Client sends requests to the brokers of a cluster. It is safe for concurrent use; Close ends it.
type Client struct {
	cfg    Config
	format *kmsg.RequestFormatter
	ids    atomic.Int32
	bare   atomic.Bool // brokers accept no note with an offset
	conns  *connections

	mu     sync.Mutex // guards the fields below; never held during a request
	closed bool
	// the address that answered Any last, so that a dead broker does not cost each call a timeout
	answered     string
	reached      map[string]bool // addresses that have answered
	cluster      string          // its id
	links        map[linkKey]*link
	brokers      map[int32]Broker
	topics       map[string]Topic
	coordinators map[coordinatorKey]int32
	throttled    map[linkKey]time.Time // until then
}

// New returns a Client. It connects on first use.
func New(cfg Config) *Client {
	opts := []kmsg.RequestFormatterOpt{}
	id := cfg.ClientID
	if id == "" && cfg.Transport != nil {
		id = cfg.Transport.ClientID
	}
	if id != "" {
		opts = append(opts, kmsg.FormatterClientID(id))
	}
	return &Client{
		cfg:          cfg,
		format:       kmsg.NewRequestFormatter(opts...),
		conns:        &connections{open: map[net.Conn]struct{}{}},
		reached:      map[string]bool{},
		links:        map[linkKey]*link{},
		brokers:      map[int32]Broker{},
		topics:       map[string]Topic{},
		coordinators: map[coordinatorKey]int32{},
		throttled:    map[linkKey]time.Time{},
	}
}

// Close closes every connection. Requests in flight fail; later ones return ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	links := c.links
	c.links = map[linkKey]*link{}
	c.mu.Unlock()
	for _, l := range links {
		l.transport.CloseIdleConnections()
	}
	c.conns.close()
}

// Broker sends req to the broker with that node id.
func (c *Client) Broker(ctx context.Context, id int32, req kmsg.Request) (kmsg.Response, error) {
	return c.node(ctx, fetching, id, req, math.MaxInt16)
}

func (c *Client) node(ctx context.Context, r role, id int32, req kmsg.Request, limit int16) (kmsg.Response, error) {
	addr, err := c.address(id, req)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, r, addr, req, limit)
}

func (c *Client) address(id int32, req kmsg.Request) (string, error) {
	c.mu.Lock()
	b, ok := c.brokers[id]
	c.mu.Unlock()
	if !ok {
		return "", &kafkaerr.UnreachableError{Addr: fmt.Sprintf("with node id %d", id), Request: named(req), Err: fmt.Errorf("it is not in the metadata: %w", BrokerNotAvailable)}
	}
	return b.Addr(), nil
}

func (c *Client) send(ctx context.Context, r role, addr string, req kmsg.Request, limit int16) (kmsg.Response, error) {
	k := linkKey{r, addr}
	if err := c.keptBack(ctx, k); err != nil {
		return nil, err
	}
	b, err := c.ask(ctx, r, addr, req, limit, fresh)
	if err != nil {
		return nil, err
	}
	resp, err := decode(addr, req, b)
	if err == nil {
		c.heed(k, resp)
	}
	return resp, err
}

// ask negotiates, sends and returns the body of the response.
func (c *Client) ask(ctx context.Context, r role, addr string, req kmsg.Request, limit int16, mem room) ([]byte, error) {
	l, theirs, err := c.negotiate(ctx, r, addr)
	if errors.Is(err, errHungUp) {
		// A broker that shuts down may hang up at that moment too. Wrong credentials fail again at once.
		l, theirs, err = c.negotiate(ctx, r, addr)
	}
	if err != nil {
		return nil, err
	}
	if err := pick(req, addr, theirs, limit); err != nil {
		return nil, err
	}
	return c.roundTrip(ctx, l, req, mem)
}

func (c *Client) negotiate(ctx context.Context, r role, addr string) (*link, map[int16]span, error) {
	l, err := c.link(r, addr)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := l.negotiated(ctx, c)
	return l, theirs, err
}

func decode(addr string, req kmsg.Request, b []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(b); err != nil {
		return nil, &kafkaerr.UnreachableError{Addr: addr, Request: named(req), Err: fmt.Errorf("malformed response: %w", err)}
	}
	return resp, nil
}

// addresses returns the addresses for Any, best first.
func (c *Client) addresses() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]bool, len(c.brokers)+len(c.cfg.Brokers))
	addrs := make([]string, 0, len(c.brokers)+len(c.cfg.Brokers))
	add := func(a string) {
		if !seen[a] {
			seen[a] = true
			addrs = append(addrs, a)
		}
	}
	for _, b := range c.brokers {
		add(b.Addr())
	}
	for _, a := range c.cfg.Brokers {
		add(a)
	}
	if i := slices.Index(addrs, c.answered); i > 0 {
		addrs[0], addrs[i] = addrs[i], addrs[0]
	}
	return addrs
}

// Broker is one broker of the cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Addr returns the broker's advertised address.
func (b Broker) Addr() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }
