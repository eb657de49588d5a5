package stream

import "slices"

// ack is somebody who waits until an offset is committed.
type ack struct {
	offset int64
	ch     chan struct{} // closed when it is committed, or not going to be
}

// committable is the offset to commit, how many records lie below it, and whether it is news.
func (p *part) committable() (offset, records int64, news bool) {
	offset, records = p.led.Prefix()
	p.mu.Lock()
	defer p.mu.Unlock()
	return offset, records, offset > p.committed
}

// stored notes how many records lie below what the broker has stored.
func (p *part) stored(records int64) {
	p.mu.Lock()
	p.settled = max(p.settled, records)
	p.mu.Unlock()
}

// acked notes what the broker has stored and lets those go on who waited for it.
func (p *part) acked(offset int64) {
	p.mu.Lock()
	p.committed = max(p.committed, offset)
	var free []chan struct{}
	p.acks = slices.DeleteFunc(p.acks, func(a ack) bool {
		if a.offset <= p.committed {
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

// ackOf returns a channel that is closed once offset is committed, or not going to be. nil: that is
// so already.
func (p *part) ackOf(offset int64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.committed >= offset || !p.status().writes() {
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
