package wire

import (
	"errors"
	"sync/atomic"
)

var errGivenUp = errors.New("the request was given up before it was sent")

// Sending tracks whether a broker may have received a request.
type Sending struct{ state atomic.Int32 }

const (
	started = 1 + iota // the first byte may have been sent
	givenUp            // nothing was sent, and nothing will be
)

// GiveUp keeps a request from being sent. It returns false if that is too late: the broker may have
// received it, or may still receive it.
func (s *Sending) GiveUp() bool {
	return s.state.CompareAndSwap(0, givenUp) || s.state.Load() == givenUp
}

// begin is called before the first byte is written, and reports whether writing may start.
func (s *Sending) begin() bool {
	return s == nil || s.state.CompareAndSwap(0, started) || s.state.Load() == started
}
