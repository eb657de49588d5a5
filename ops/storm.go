package ops

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A repeated line is written this many times at once, and then this often.
const (
	stormBurst = 10
	stormEvery = time.Second
)

// line identifies equal lines of a log. Messages and steps bound their number.
type line struct {
	level     slog.Level
	msg, step string
}

// storms counts the lines left out of a log.
type storms struct {
	left atomic.Int64 // over all lines
	mu   sync.Mutex   // guards the fields below; no call is made under it
	of   map[line]*storm
}

type storm struct {
	limit *rate.Limiter
	left  int // since the last one was written
}

// pass says whether to write a line, and how many like it were left out before.
func (s *storms) pass(l line) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.of[l]
	if st == nil {
		if s.of == nil {
			s.of = map[line]*storm{}
		}
		st = &storm{limit: rate.NewLimiter(rate.Every(stormEvery), stormBurst)}
		s.of[l] = st
	}
	if !st.limit.Allow() {
		st.left++
		s.left.Add(1)
		return 0, false
	}
	left, st.left = st.left, 0
	s.left.Add(-int64(left))
	return left, true
}

// settle reports the lines left out of storms that have been silent for two intervals, or of all
// storms if now is the zero time.
func (s *storms) settle(now time.Time, tell func(l line, n int)) {
	if s.left.Load() == 0 {
		return
	}
	over := map[line]int{}
	s.mu.Lock()
	for l, st := range s.of {
		if st.left > 0 && (now.IsZero() || st.limit.TokensAt(now) >= 2) {
			over[l] = st.left
			s.left.Add(-int64(st.left))
			st.left = 0
		}
	}
	s.mu.Unlock()
	for l, n := range over {
		tell(l, n)
	}
}
