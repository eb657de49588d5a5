package prommetrics

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// sample draws the records whose steps are timed: all of them or, at higher rates, one of 2ⁿ.
type sample struct {
	mask atomic.Uint32 // 2ⁿ-1
	n    atomic.Int64  // drawn since at
	at   atomic.Int64  // the start of this interval, as time since born
	born time.Time
}

const (
	samplesWanted = 1000 // per second
	samplesLook   = 256  // the rate is measured after that many
	maskMost      = 1<<16 - 1
)

func (s *sample) start() { s.born = time.Now() }

func (s *sample) draw() bool {
	mask := s.mask.Load()
	return mask == 0 || rand.Uint32()&mask == 0
}

// taken counts a drawn record.
func (s *sample) taken() {
	if s.n.Add(1)%samplesLook == 0 {
		s.adapt(0)
	}
}

// adapt makes draws rarer or more frequent, at most once per interval.
func (s *sample) adapt(while time.Duration) {
	now, before := int64(time.Since(s.born)), s.at.Load()
	if now-before < int64(while) || !s.at.CompareAndSwap(before, now) {
		return
	}
	rate := float64(s.n.Swap(0)) / time.Duration(max(now-before, 1)).Seconds()
	mask := s.mask.Load()
	for rate > 2*samplesWanted && mask < maskMost {
		rate, mask = rate/2, mask<<1|1
	}
	for rate < samplesWanted/2 && mask > 0 {
		rate, mask = rate*2, mask>>1
	}
	s.mask.Store(mask)
}
