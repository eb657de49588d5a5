package fetch

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// pollersPerBroker: two for the partitions that bring records, one for those that get room again;
// see the package comment.
const pollersPerBroker = 3

// loop is what is read from one broker.
type loop struct {
	f      *Fetcher
	broker int32
	wake   chan struct{} // holds one signal that there may be something to do; never closed

	// Guarded by Fetcher.mu.
	mute   time.Time // the broker asked for silence until then
	idle   int       // pollers that wait for wake
	active time.Time // when a partition last brought records or got room; guarded by Fetcher.mu
}

// leastWait is how long a broker holds a fetch, at least, when a partition may get room any moment.
const leastWait = 5 * time.Millisecond

// poll is the life of a poller: it takes what has something to do, feeds what is left over, asks
// for more, and gives it back.
func (l *loop) poll(ctx context.Context) {
	for ctx.Err() == nil {
		picked, wait := l.pick()
		asking, idle := l.sift(picked)
		l.release(idle) // before the fetch: what gets room while it lasts is the other poller's
		if len(asking) == 0 {
			l.sleep(ctx, wait)
			continue
		}
		strays := l.fetch(ctx, asking, l.patience(len(idle) > 0))
		l.release(slices.DeleteFunc(asking, func(a asked) bool { return a.stray }))
		for _, a := range strays {
			l.f.reposition(ctx, a.part, a.offset, "the records there were deleted by retention, or the log was cut off or made again")
		}
		l.release(strays)
	}
}

// pick takes the partitions that nobody has and that are not waiting for a time to pass, and says
// how long the next of those has to wait.
func (l *loop) pick() (picked []asked, wait time.Duration) {
	now := time.Now()
	wait = metaMaxAge
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if d := l.mute.Sub(now); d > 0 {
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
				raise(l.wake) // for the idle poller, which is why there is a limit
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
// could be held by others that have no records, and it would wait with them: then no longer than
// nothing has happened already.
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

// share is how many of the partitions that keep bringing records a poller may take: half, so that
// one half is decoded while the broker works on the other, as long as somebody is there to take the
// rest. Without, it is all: the poller may be held by the broker for MaxWait.
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

// sift feeds what is left over from earlier answers and tells which partitions to ask for.
func (l *loop) sift(picked []asked) (asking, idle []asked) {
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

// release gives partitions back. One that got room, or another home, meanwhile would wait for a
// signal that was already taken.
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

// sleep waits for something to do.
func (l *loop) sleep(ctx context.Context, d time.Duration) {
	l.rest(1)
	defer l.rest(-1)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-l.wake:
	}
}

func (l *loop) rest(n int) {
	l.f.mu.Lock()
	l.idle += n
	l.f.mu.Unlock()
}
