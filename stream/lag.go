package stream

import "time"

// lags is how far a partition is behind the end of its log: in records, and by the age of the
// oldest one.
type lags struct {
	records, active         int64
	recordsTime, activeTime time.Duration
	oldest                  Meta // of the unfinished records
}

// lag returns how far the partition is behind. from is the offset that counts as done: the
// committed one or the watermark.
func (p *part) lag(from int64, now time.Time) (l lags) {
	first, oldest, active, n := p.unfinished()
	l = lags{-1, -1, -1, -1, first}
	p.mu.Lock()
	next, end, newest := p.next, p.end, p.newest
	p.mu.Unlock()
	if end < 0 {
		return l
	}
	l.records, l.active = max(0, end-from), n+max(0, end-next)
	if n == 0 && end > next { // those in the log are younger than what was fed before them
		active = newest
	}
	if oldest.IsZero() {
		oldest = active
	}
	l.recordsTime, l.activeTime = since(now, oldest, l.records), since(now, active, l.active)
	return l
}

// since returns how long ago the oldest of n records was written: 0 if there is none, -1 if that is
// unknown.
func since(now, oldest time.Time, n int64) time.Duration {
	switch {
	case n == 0:
		return 0
	case oldest.IsZero():
		return -1
	}
	return max(0, now.Sub(oldest))
}

// unfinished returns the first unfinished record, the time of the oldest one, that of the oldest
// one that is not parked, and the number of those.
func (p *part) unfinished() (first Meta, oldest, active time.Time, n int64) {
	parks := p.status()&someParked != 0
	if !parks {
		_, left := p.led.Count()
		n = int64(left)
	}
	any := false
	for s, i := range p.led.Unfinished {
		m, ok := s.Payload.(values).meta(int32(i))
		if !ok {
			continue // it finishes just now
		}
		if !any {
			first, any = m, true
		}
		if oldest.IsZero() {
			oldest = m.Time
		}
		if !parks {
			return first, oldest, oldest, n
		}
		if p.parks.covers(m) {
			continue
		}
		if n++; n == 1 {
			active = m.Time
		}
	}
	return first, oldest, active, n
}
