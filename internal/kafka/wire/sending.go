package wire

import (
	"errors"
	"sync/atomic"
)

var errGivenUp = errors.New("it was given up before it was sent")

// Sending tells of one request whether a broker may have got it.
type Sending struct{ state atomic.Int32 }

const (
	begun   = 1 + iota // the first byte may have left
	givenUp            // none has, and none is going to
)

// GiveUp keeps a request from being sent. It is false where that is too late: the broker may have
// it, or get it yet.
func (s *Sending) GiveUp() bool {
	return s.state.CompareAndSwap(0, givenUp) || s.state.Load() == givenUp
}

// begin is called before the first byte is written, and reports whether it may be.
func (s *Sending) begin() bool {
	return s == nil || s.state.CompareAndSwap(0, begun) || s.state.Load() == begun
}
