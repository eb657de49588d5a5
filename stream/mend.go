package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
)

// ResumeAfter has a HaltOnError end its halts by itself: the record is tried again after d, and
// where it halts its partition again after twice that, doubling up to 15 minutes (or d, if that
// is longer). Each wait is up to a tenth longer, so that not all partitions come back at once.
// The next wait is d again once the record is done, and when the partition is assigned anew.
// Resume and Skip act at once, as ever. Halt.ResumeAt says when the record will be tried;
// Resumed.ByItself says that nobody asked. A halt that is there when the source has ended is not
// waited for.
func ResumeAfter(d time.Duration) PolicyOption {
	return policyOption(func(p *policy) {
		if d <= 0 {
			p.faults = append(p.faults, policyFault{fmt.Sprintf("ResumeAfter(%v) would not halt", d), "give it the time until the record is tried again"})
		}
		p.resumes, p.resumeAfter = true, d
	})
}

const resumeMost = 15 * time.Minute

// mends counts the halts in a row of a partition that end by themselves. Guarded by part.mu.
type mends struct {
	offset int64 // of the first one's record
	byTx   bool  // it was a transaction's
	halts  int
}

// next counts a halt and returns how long it lasts. The caller holds mu.
func (m *mends) next(p *part, offset int64, byTx bool, d time.Duration) time.Duration {
	done := p.led.Watermark()
	if m.byTx {
		done = p.committed
	}
	if m.halts == 0 || done > m.offset {
		*m = mends{offset: offset, byTx: byTx}
	}
	m.halts++
	return backoff.NotBefore(backoff.Limit(m.halts, d, max(d, resumeMost)))
}

// mendLater ends a halt by itself when its time has come, unless it has ended before.
func (p *part) mendLater(h *Halt, over <-chan struct{}) {
	if h.ResumeAt.IsZero() {
		return
	}
	p.run.spawn(func() {
		timer := time.NewTimer(time.Until(h.ResumeAt))
		defer timer.Stop()
		select {
		case <-timer.C:
			p.mend(h)
		case <-over:
		case <-p.ctx.Done():
		case <-p.run.sourceCtx.Done(): // a drain tries nothing again
		}
	})
}

// mend asks for the end of a halt as release does. Whoever asks later may still say otherwise.
func (p *part) mend(h *Halt) {
	p.mu.Lock()
	now := p.halt == h && p.resume == noResume && p.status().life() == open && p.run.phase() == working
	if now {
		p.resume = tryItself
	}
	p.mu.Unlock()
	if now {
		p.changed()
	}
}
