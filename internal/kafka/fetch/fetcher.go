package fetch

import (
	"context"
	"sync"
	"time"

	"github.com/sourcegraph/conc"
)

// Fetcher reads the partitions that are added to it while Run runs.
type Fetcher struct {
	cfg     Config
	refresh chan struct{} // holds one request for newer metadata; never closed
	placed  chan struct{} // holds one request to place partitions by what is known; never closed
	away    bool          // the last question for metadata failed; Run's own

	// guards what follows and the parts' fields that say so; never held across a call of a
	// Partition
	mu     sync.Mutex
	parts  map[TP]*part
	loops  map[int32]*loop
	served uint64
	err    error
	cancel context.CancelFunc
}

// New makes a Fetcher.
func New(cfg Config) *Fetcher {
	return &Fetcher{cfg: cfg.withDefaults(), refresh: make(chan struct{}, 1), placed: make(chan struct{}, 1), parts: map[TP]*part{}, loops: map[int32]*loop{}}
}

// Add begins to read a partition at p.Next().
func (f *Fetcher) Add(tp TP, p Partition) {
	n := &part{tp: tp, p: p, topic: p.TopicID(), replica: -1, epoch: -1, avg: 512}
	f.mu.Lock()
	f.parts[tp] = n
	f.mu.Unlock()
	raise(f.placed)
}

// Remove stops reading partitions. When it returns, none of their Partitions is called any more.
func (f *Fetcher) Remove(tps ...TP) {
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

// Wake tells that a partition without room has some again. It may be called from anywhere: no lock
// that it takes is held across a call of a Partition.
func (f *Fetcher) Wake(tp TP) {
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

// Refresh asks the cluster for its topics soon, for who has heard that one of them may have
// changed.
func (f *Fetcher) Refresh() { raise(f.refresh) }

// Run reads until ctx ends (nil), or until something happens that no retry mends.
func (f *Fetcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cancel = cancel
	f.mu.Unlock()
	var pollers conc.WaitGroup
	defer pollers.Wait() // after cancel, which runs first
	defer cancel()
	for tries, asked := 0, false; ctx.Err() == nil; {
		missing := f.place(func(l *loop) {
			for range pollersPerBroker {
				pollers.Go(func() { l.poll(ctx) })
			}
		})
		wait := metaMaxAge
		if missing || f.away {
			tries++
			wait = retryWait(tries)
		} else {
			tries = 0
		}
		if asked {
			// many partitions notice the same move: one question is enough
			pause(ctx, retryWait(max(tries, 1)), nil, nil)
		}
		if asked = pause(ctx, wait, f.refresh, f.placed); asked {
			f.ask(ctx)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// pause waits for d or for ctx, or less where metadata or placing is called for; it reports whether
// metadata is.
func pause(ctx context.Context, d time.Duration, refresh, place <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-refresh:
	case <-place:
		return false
	}
	return true
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

// raise leaves a signal that stays until it is taken; a second one before that says nothing new.
func raise(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
