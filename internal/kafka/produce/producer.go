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

// Config says how to write. All of it must be set but Balancer, Linger, Compression and what
// belongs to transactions.
type Config struct {
	Client      *wire.Client
	Compression kafka.Compression
	Balancer    kafka.Balancer // nil: as Java's default, see topic
	BatchBytes  int            // the most that a batch holds, before compression
	// the most that a batch of one record may be; less than BatchBytes: as much as that
	RecordBytes         int
	Linger              time.Duration
	DeliveryTimeout     time.Duration
	UnknownTopicTimeout time.Duration // how long a topic may be unknown

	// for logs: "throttled"; called under no lock; nil: nobody listens
	OnEvent func(name, text string)

	TransactionalID string // empty: idempotent without transactions
	// Join is called with the partitions of a Write before any of it is sent, to add them to the
	// transaction; nil: nothing is to be done.
	Join func(ctx context.Context, parts []TP) error
}

// TP names a partition.
type TP struct {
	Topic     string
	Partition int32
}

// Producer writes records. It is safe for concurrent use between Open and Close.
type Producer struct {
	cfg     Config
	enc     *batch.Encoder
	refresh chan struct{} // holds one request for newer metadata; never closed
	ctx     context.Context
	cancel  context.CancelFunc
	wg      conc.WaitGroup

	// guards what follows and the fields of topics, parts, batches, loops and writes; never held
	// across a request
	mu      sync.Mutex
	closed  bool
	id      identity
	topics  map[string]*topic
	loops   map[int32]*loop
	onWay   int           // bytes encoded and not answered
	busy    int           // partitions with a batch on its way
	quiet   chan struct{} // closed and forgotten when busy is 0; nil: nobody waits for that
	starved bool          // a loop waits for onWay to fall
	limit   int16
}

// New makes a Producer.
func New(cfg Config) *Producer {
	ctx, cancel := context.WithCancel(context.Background())
	return &Producer{cfg: cfg, enc: batch.NewEncoder(cfg.Compression), refresh: make(chan struct{}, 1), ctx: ctx, cancel: cancel,
		id: identity{id: -1}, topics: map[string]*topic{}, loops: map[int32]*loop{}, limit: newest}
}

// newest is the last version of produce requests that names topics; later ones go by ids alone.
const newest = 12

// Open begins to work. Without transactions it gets the producer its id first, trying until ctx
// ends.
func (p *Producer) Open(ctx context.Context) error {
	if p.cfg.TransactionalID == "" {
		id, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		p.id = id
	}
	p.wg.Go(p.scout)
	p.wg.Go(p.watch)
	return nil
}

// Close ends it. What was not acknowledged fails with ErrClosed.
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
	metaGap    = 50 * time.Millisecond // between two questions for metadata
)

// scout keeps the view of the cluster fresh: when called for, while something is queued that no
// broker leads, and now and then.
func (p *Producer) scout() {
	for tries := 0; p.ctx.Err() == nil; {
		wait := metaMaxAge
		if p.lacking() {
			tries++
			wait = retryWait(tries)
		} else {
			tries = 0
		}
		pause(p.ctx, wait, p.refresh)
		p.ask()
		pause(p.ctx, metaGap, nil)
	}
}

// ask asks the cluster about every topic in use, and for a new id where a partition has used up its
// own. What fails is left to the next time.
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

// watch fails what is overdue.
func (p *Producer) watch() {
	for p.ctx.Err() == nil {
		p.mu.Lock()
		now := time.Now()
		next := now.Add(p.cfg.DeliveryTimeout) // nothing that is queued from now on is due before
		for _, t := range p.topics {
			for _, pt := range t.parts {
				if due, ok := pt.expire(now); ok && due.Before(next) {
					next = due
				}
			}
		}
		p.mu.Unlock()
		pause(p.ctx, next.Sub(now), nil)
	}
}

// pause waits for d, for ctx or for wake.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

// raise leaves a signal that stays until it is taken; a second one before that says nothing new.
func raise(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retryWait is the wait after so many tries.
func retryWait(try int) time.Duration {
	return backoff.Wait(try, 50*time.Millisecond, time.Second)
}
