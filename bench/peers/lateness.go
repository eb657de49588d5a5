package main

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// setDue stores the intended send time in the first eight bytes of a value, in nanoseconds since
// 1970. A value with 0 there is for warm-up and is not measured.
func setDue(value []byte, at time.Time) { binary.BigEndian.PutUint64(value, uint64(at.UnixNano())) }

// lateness collects the time from the intended send time of each record to its handling.
type lateness struct {
	n      atomic.Int64
	micros []int32
}

func newLateness(j job) *lateness {
	n := int64(0)
	for p := range j.To {
		n += j.To[p] - j.From[p]
	}
	return &lateness{micros: make([]int32, n)}
}

func (l *lateness) note(value []byte, now time.Time) {
	due := int64(binary.BigEndian.Uint64(value))
	if due == 0 {
		return
	}
	if i := l.n.Add(1) - 1; i < int64(len(l.micros)) { // repeated records may exceed it
		l.micros[i] = int32(max(0, now.UnixNano()-due) / 1000)
	}
}

func (l *lateness) measured() []int32 { return l.micros[:min(l.n.Load(), int64(len(l.micros)))] }
