package fetch

import (
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// retry delays the next attempt to read a partition, which has failed since then.
func (f *Fetcher) retry(p *part, err error, since time.Time) {
	denied := wire.Fatal(err)
	f.mu.Lock()
	p.failures++
	wait := retries.Wait(p.failures)
	if denied {
		wait = deniedPause
	}
	p.retryAt = time.Now().Add(wait)
	p.replica = -1
	report := p.troubled(since, denied)
	f.mu.Unlock()
	if report {
		f.cfg.OnTrouble(p.tp, err)
	}
}

// troubled records that the partition could not be read, and returns whether to report that now.
// The caller holds Fetcher.mu.
func (p *part) troubled(since time.Time, atOnce bool) bool {
	if p.since.IsZero() {
		p.since = since
	}
	if p.reported || !atOnce && time.Since(p.since) < TroubleAfter {
		return false
	}
	p.reported = true
	return true
}

// lasts returns whether the partition could not be read for longer than a leader takes to move.
func (f *Fetcher) lasts(p *part) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !p.since.IsZero() && time.Since(p.since) >= TroubleAfter
}

// well records that the partition is read, and returns whether to report its recovery. The caller
// holds Fetcher.mu.
func (p *part) well() bool {
	reported := p.reported
	p.failures, p.since, p.reported = 0, time.Time{}, false
	return reported
}
