package stream

import (
	"math"
	"slices"
)

// ack is a worker that waits until a record is committed.
type ack struct {
	offset int64
	ch     chan struct{} // closed when it is committed, or not going to be
}

// committable is how many finished records a commit would tell of, and whether that is news.
func (p *part) committable() (records int64, news bool) {
	offset, records := p.led.Prefix()
	known := int64(math.MaxInt64)
	if p.ahead.kept {
		records, _ = p.led.Count()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ahead.kept {
		known = p.ahead.records
	}
	return records, offset > p.committed || records > known || p.ahead.halts > p.ahead.told
}

// stored notes what of the partition the broker has stored.
func (p *part) stored(g progress) {
	p.mu.Lock()
	p.settled = max(p.settled, g.covered)
	p.ahead.stored, p.ahead.records, p.ahead.told = g.runs, g.records, g.halts
	p.mu.Unlock()
	p.acked(g.Offset)
}

// acked notes up to where the partition is committed and lets those go on who waited for it.
func (p *part) acked(offset int64) {
	p.mu.Lock()
	p.committed = max(p.committed, offset)
	var free []chan struct{}
	p.acks = slices.DeleteFunc(p.acks, func(a ack) bool {
		if p.holds(a.offset) {
			free = append(free, a.ch)
			return true
		}
		return false
	})
	p.mu.Unlock()
	for _, ch := range free {
		close(ch)
	}
	p.openGate(offset)
	p.changed()
}

// holds reports whether what is stored says that the record at an offset has finished. The caller
// holds mu.
func (p *part) holds(offset int64) bool {
	return offset < p.committed || within(p.ahead.stored, offset)
}

// ackOf returns a channel that is closed once what is stored says that the record at offset has
// finished, or once it never will. nil: that is so already.
func (p *part) ackOf(offset int64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds(offset) || !p.status().writes() {
		return nil
	}
	ch := make(chan struct{})
	p.acks = append(p.acks, ack{offset, ch})
	return ch
}

// freeAcks lets those go on who wait for a commit that does not come.
func (p *part) freeAcks() {
	p.mu.Lock()
	acks := p.acks
	p.acks = nil
	p.mu.Unlock()
	for _, a := range acks {
		close(a.ch)
	}
}

func (p *part) committedOffset() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.committed
}
