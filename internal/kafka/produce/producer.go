package produce

import (
	"context"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
)

// Config configures a Producer. All fields are required but Balancer, Linger, Compression, OnEvent
// and those of transactions.
type Config struct {
	Client      *wire.Client
	Compression kafka.Compression
	Balancer    kafka.Balancer // default: like Java's, see topic
	BatchBytes  int            // maximum size of a batch before compression
	// maximum size of a batch with one record; if less than BatchBytes, that counts
	RecordBytes         int
	Linger              time.Duration
	DeliveryTimeout     time.Duration
	UnknownTopicTimeout time.Duration // how long a topic may be unknown

	// optional, for logs: reports "throttled"; called under no lock
	OnEvent func(name, text string)

	TransactionalID string // empty: idempotent, without transactions
	// Join adds the partitions of a Write to the transaction before any record is sent. Optional.
	Join func(ctx context.Context, parts []wire.TopicPartition) error
}

// Producer writes records. It is safe for concurrent use between Open and Close.
type Producer struct {
	cfg     Config
	enc     *batch.Encoder
	refresh chan struct{} // holds one request for newer metadata; never closed
	ctx     context.Context
	cancel  context.CancelFunc
	wg      conc.WaitGroup

	// mu guards the fields below and those of topics, parts, batches, loops and writes. It is never
	// held across a request.
	mu      sync.Mutex
	closed  bool
	id      identity
	topics  map[string]*topic
	loops   map[int32]*loop
	onWay   int           // bytes encoded, with no response yet
	busy    int           // partitions with a batch in flight
	quiet   chan struct{} // closed and removed when busy is 0; nil if nothing waits for it
	starved bool          // a loop waits for onWay to fall
	limit   int16
}

// New returns a Producer; Open starts it.
func New(cfg Config) *Producer {
	ctx, cancel := context.WithCancel(context.Background())
	return &Producer{cfg: cfg, enc: batch.NewEncoder(cfg.Compression), refresh: make(chan struct{}, 1), ctx: ctx, cancel: cancel,
		id: identity{id: -1}, topics: map[string]*topic{}, loops: map[int32]*loop{}, limit: newest}
}

// newest is the last version of produce requests that names topics. Later versions know ids only.
const newest = 12

// Open starts the producer. Without transactions it first requests a producer id, and retries until
// ctx ends.
func (p *Producer) Open(ctx context.Context) error {
	if p.cfg.TransactionalID == "" {
		id, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		p.id = id
	}
	p.wg.Go(p.metadataLoop)
	p.wg.Go(p.watch)
	return nil
}

// Close stops the producer. Unacknowledged records fail with ErrClosed.
func (p *Producer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.topics {
		for _, pt := range t.parts {
			pt.fail(wire.ErrClosed)
		}
	}
}

const (
	metaMaxAge = 5 * time.Minute
	metaGap    = 50 * time.Millisecond // between two metadata requests
)

var retries = backoff.Policy{First: 50 * time.Millisecond, Most: time.Second}

// metadataLoop refreshes the metadata: on request, while records are queued without a leader, and
// from time to time.
func (p *Producer) metadataLoop() {
	for tries := 0; p.ctx.Err() == nil; {
		wait := metaMaxAge
		if p.lacking() {
			tries++
			wait = retries.Wait(tries)
		} else {
			tries = 0
		}
		backoff.Await(p.ctx, wait, p.refresh)
		p.ask()
		backoff.Pause(p.ctx, metaGap)
	}
}

// ask requests the metadata of every topic in use, and a new id for partitions that have used up
// theirs. Failures wait for the next time.
func (p *Producer) ask() {
	names := p.names()
	if len(names) > 0 {
		found, err := p.cfg.Client.Metadata(p.ctx, names...)
		if err == nil {
			p.learn(found)
		} else if wire.Fatal(err) && p.ctx.Err() == nil {
			p.mu.Lock()
			for _, t := range p.topics {
				t.fail(err)
			}
			p.mu.Unlock()
		}
	}
	p.renew()
}

// watch fails overdue records.
func (p *Producer) watch() {
	for p.ctx.Err() == nil {
		p.mu.Lock()
		now := time.Now()
		next := now.Add(p.cfg.DeliveryTimeout) // records queued from now on are not due earlier
		for _, t := range p.topics {
			for _, pt := range t.parts {
				if due, ok := pt.expire(now); ok && due.Before(next) {
					next = due
				}
			}
		}
		p.mu.Unlock()
		backoff.Pause(p.ctx, next.Sub(now))
	}
}

// raise leaves a signal in c unless there is one already.
func raise(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
