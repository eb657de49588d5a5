package fetch

import (
	"cmp"
	"context"
	"github.com/laneway-go/laneway/internal/backoff"
	"slices"
	"time"
)

// pollersPerBroker is two for the partitions that bring records, and one for those that get room
// again; see the package comment.
const pollersPerBroker = 3

// loop is the reading from one broker.
type loop struct {
	f      *Fetcher
	broker int32
	wake   chan struct{} // buffer of 1: there may be something to do; never closed

	// Guarded by Fetcher.mu.
	throttledUntil time.Time // the broker throttles this client until then
	idle           int       // pollers that wait for wake
	active         time.Time // when a partition last brought records or got room
}

// leastWait is the shortest time for a broker to hold a fetch while a partition may get room at any
// moment.
const leastWait = 5 * time.Millisecond

// poll is the loop of a poller. It picks partitions with work, feeds their buffered records,
// fetches more, and releases them.
func (l *loop) poll(ctx context.Context) {
	for ctx.Err() == nil {
		picked, wait := l.pick()
		asking, idle := l.feedBuffered(picked)
		l.release(idle) // before the fetch, so that another poller can serve those that get room during it
		if len(asking) == 0 {
			l.sleep(ctx, wait)
			continue
		}
		outOfRange := l.fetch(ctx, asking, l.patience(len(idle) > 0))
		l.release(slices.DeleteFunc(asking, func(a asked) bool { return a.outOfRange }))
		for _, a := range outOfRange {
			l.f.reposition(ctx, a.part, a.offset, "the records there were deleted by retention, or the log was truncated or recreated")
		}
		l.release(outOfRange)
	}
}

// pick takes the partitions that no poller has and that need not wait. wait is the time until the
// next one need not wait.
func (l *loop) pick() (picked []asked, wait time.Duration) {
	now := time.Now()
	wait = metaMaxAge
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if d := l.throttledUntil.Sub(now); d > 0 {
		return nil, d
	}
	most := l.share()
	for _, p := range l.f.parts {
		if p.home != l || p.busy || p.stopped {
			continue
		}
		if d := p.retryAt.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		if p.woken {
			l.active = now
		}
		if p.hot {
			if most == 0 {
				raise(l.wake) // for the idle poller that the limit is for
				continue
			}
			most--
		}
		p.busy, p.woken = true, false
		picked = append(picked, asked{part: p, epoch: p.epoch, topic: p.topic, served: p.served})
	}
	slices.SortFunc(picked, func(a, b asked) int { return cmp.Compare(a.served, b.served) })
	return picked, wait
}

// patience is how long the broker may hold a fetch. While a partition waits for room, both pollers
// might be in fetches without records, and it would wait for them. So the limit is then the time
// since records or room last arrived.
func (l *loop) patience(waiting bool) time.Duration {
	most := l.f.cfg.MaxWait
	if !waiting {
		return most
	}
	l.f.mu.Lock()
	quiet := time.Since(l.active)
	l.f.mu.Unlock()
	return min(max(quiet, leastWait), most)
}

// share is the number of partitions that keep bringing records that one poller may take. While
// another poller is idle it is half, so that one half is decoded while the broker works on the
// other. Otherwise it is all, since the other poller may be in a fetch for MaxWait.
func (l *loop) share() int {
	hot := 0
	for _, p := range l.f.parts {
		if p.home == l && p.hot {
			hot++
		}
	}
	if l.idle == 0 {
		return hot
	}
	return (hot + 1) / 2
}

// feedBuffered feeds buffered records of earlier responses, and returns the partitions to ask for.
func (l *loop) feedBuffered(picked []asked) (asking, idle []asked) {
	for _, a := range picked {
		if a.part.take() {
			if a.max = a.part.room(); a.max > 0 {
				a.offset = a.part.p.Next()
				asking = append(asking, a)
				continue
			}
		}
		idle = append(idle, a)
	}
	return asking, idle
}

// release gives partitions back. It signals for one that got room, or another home, in the
// meantime, since the signal was received already.
func (l *loop) release(done []asked) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for _, a := range done {
		p := a.part
		p.busy = false
		if a.max > 0 {
			p.hot = a.brought
		}
		if a.brought {
			l.active = time.Now()
			l.f.served++
			p.served = l.f.served
		}
		if p.home != nil && (p.woken || p.home != l) {
			raise(p.home.wake)
		}
	}
}

// sleep waits until there is something to do.
func (l *loop) sleep(ctx context.Context, d time.Duration) {
	l.addIdle(1)
	defer l.addIdle(-1)
	backoff.Await(ctx, d, l.wake)
}

func (l *loop) addIdle(n int) {
	l.f.mu.Lock()
	l.idle += n
	l.f.mu.Unlock()
}
