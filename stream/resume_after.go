package stream

import (
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

const resumeMost = 15 * time.Minute

// haltBackoff counts consecutive halts of a partition that end by themselves. Guarded by part.mu.
type haltBackoff struct {
	offset int64 // of the first halt
	byTx   bool  // the first halt was a transaction's
	halts  int
}

// next counts a halt and returns its duration. The count starts over once the first halt's record
// is done. The caller holds mu.
func (m *haltBackoff) next(p *part, offset int64, byTx bool, d time.Duration) time.Duration {
	done := p.led.Watermark()
	if m.byTx {
		done = p.committed
	}
	if m.halts == 0 || done > m.offset {
		*m = haltBackoff{offset: offset, byTx: byTx}
	}
	m.halts++
	return backoff.NotBefore(backoff.Limit(m.halts, d, max(d, resumeMost)))
}

// resumeLater ends the halt at its ResumeAt unless it ends earlier.
func (p *part) resumeLater(h *Halt) {
	if h.ResumeAt.IsZero() {
		return
	}
	p.host.spawn(func() {
		timer := time.NewTimer(time.Until(h.ResumeAt))
		defer timer.Stop()
		select {
		case <-timer.C:
			p.mend(h)
		case <-h.over:
		case <-p.ctx.Done():
		case <-p.host.stopped(): // a drain retries nothing
		}
	})
}

// mend asks for the end of the halt, like release. An operator's later request still overrides it.
func (p *part) mend(h *Halt) {
	now, paused := false, false
	p.host.restarts(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		paused = p.feedHalt != nil && h == &p.feedHalt.Halt
		if p.status().life() != open || !p.host.mayResume() || paused {
			return
		}
		if k := p.parks.with(h); k != nil {
			now = p.parks.release(k, tryItself)
		} else if now = p.halt == h && p.resume == noResume; now {
			p.resume = tryItself
		}
	})
	if paused {
		_, _ = p.endFeedHalt(*h, ending{how: tryItself}) // it fails if an operator was faster
	}
	if now {
		p.changed()
	}
}
