package fetch

import (
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
)

// retry lets a partition wait before it is asked for again. It has failed since then.
func (f *Fetcher) retry(p *part, err error, since time.Time) {
	denied := wire.Fatal(err)
	f.mu.Lock()
	p.failures++
	wait := retryWait(p.failures)
	if denied {
		wait = deniedPause
	}
	p.retryAt = time.Now().Add(wait)
	p.replica = -1
	tell := p.troubled(since, denied)
	f.mu.Unlock()
	if tell {
		f.cfg.OnTrouble(p.tp, err)
	}
}

// troubled notes that the partition could not be read, and reports whether that is to be told now.
// The caller holds Fetcher.mu.
func (p *part) troubled(since time.Time, atOnce bool) bool {
	if p.since.IsZero() {
		p.since = since
	}
	if p.told || !atOnce && time.Since(p.since) < TroubleAfter {
		return false
	}
	p.told = true
	return true
}

// well notes that the partition is read, and reports whether it is to be told that its trouble is
// over. The caller holds Fetcher.mu.
func (p *part) well() bool {
	told := p.told
	p.failures, p.since, p.told = 0, time.Time{}, false
	return told
}
