package fetch

import (
	"context"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/sourcegraph/conc"
)

// Fetcher reads the partitions added to it while Run runs.
type Fetcher struct {
	cfg     Config
	refresh chan struct{} // buffer of 1: new metadata is wanted; never closed
	placed  chan struct{} // buffer of 1: partitions must be placed by the known metadata; never closed
	away    bool          // the last metadata request failed; used by Run alone

	// guards the fields below, and the fields of parts that say so; never held across a call of a
	// Partition
	mu     sync.Mutex
	parts  map[wire.TopicPartition]*part
	loops  map[int32]*loop
	served uint64
	err    error
	cancel context.CancelFunc
}

// New returns a Fetcher.
func New(cfg Config) *Fetcher {
	return &Fetcher{cfg: cfg.withDefaults(), refresh: make(chan struct{}, 1), placed: make(chan struct{}, 1), parts: map[wire.TopicPartition]*part{}, loops: map[int32]*loop{}}
}

// Add starts reading a partition at p.Next().
func (f *Fetcher) Add(tp wire.TopicPartition, p Partition) {
	n := &part{tp: tp, p: p, topic: p.TopicID(), replica: -1, epoch: -1, avg: 512}
	f.mu.Lock()
	f.parts[tp] = n
	f.mu.Unlock()
	raise(f.placed)
}

// Remove stops reading partitions. After it returns, none of their Partitions is called.
func (f *Fetcher) Remove(tps ...wire.TopicPartition) {
	for _, tp := range tps {
		f.mu.Lock()
		p := f.parts[tp]
		delete(f.parts, tp)
		f.mu.Unlock()
		if p != nil {
			p.mu.Lock()
			p.removed = true
			p.mu.Unlock()
		}
	}
}

// Wake reports that a partition has room again. It may be called from anywhere, since no lock that
// it takes is held across a call of a Partition.
func (f *Fetcher) Wake(tp wire.TopicPartition) {
	f.mu.Lock()
	p := f.parts[tp]
	defer f.mu.Unlock()
	if p == nil {
		return
	}
	p.woken = true
	if p.home != nil {
		raise(p.home.wake)
	}
}

// Refresh asks the cluster for metadata soon, for callers that suspect a change.
func (f *Fetcher) Refresh() { raise(f.refresh) }

// Run reads until ctx ends (nil), or until an error that no retry can fix.
func (f *Fetcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cancel = cancel
	f.mu.Unlock()
	var pollers conc.WaitGroup // and the watch of the ends
	defer pollers.Wait()       // after cancel, which runs first
	defer cancel()
	pollers.Go(func() { f.watchEnds(ctx) })
	for attempts, asked := 0, false; ctx.Err() == nil; {
		missing := f.place(func(l *loop) {
			for range pollersPerBroker {
				pollers.Go(func() { l.poll(ctx) })
			}
		})
		wait := metaMaxAge
		if missing || f.away {
			attempts++
			wait = retries.Wait(attempts)
		} else {
			attempts = 0
		}
		if asked {
			// many partitions notice the same move, and one metadata request is enough
			retries.Pause(ctx, max(attempts, 1))
		}
		asked = true
		select {
		case <-f.placed:
			asked = false
		case <-f.refresh:
		case <-time.After(wait):
		case <-ctx.Done():
		}
		if asked {
			f.ask(ctx)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// fail ends Run with err.
func (f *Fetcher) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	if f.cancel != nil {
		f.cancel()
	}
}

// raise sets a signal that stays until it is received.
func raise(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
