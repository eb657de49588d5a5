package stream

import "slices"

// ack is a worker that waits until a record is committed.
type ack struct {
	offset int64
	ch     chan struct{} // closed once the record is committed or never will be
}

// committable returns how many finished records a commit would cover, and whether the commit would
// store anything new.
func (p *part) committable() (records int64, news bool) {
	offset, records := p.led.Prefix()
	if p.ahead.kept {
		records, _ = p.led.Count()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	news = offset > p.committed || p.ahead.halts > p.ahead.told
	if a := &p.ahead.attempts; a.noted > a.stored && p.status().life() == draining {
		news = true // worth no request before
	}
	news = news || p.unsure && p.status().life() == draining
	return records, news || p.ahead.kept && records > p.ahead.records
}

// stored notes what the broker has stored for the partition.
func (p *part) stored(g progress) {
	p.mu.Lock()
	p.settled = max(p.settled, g.covered)
	p.ahead.stored, p.ahead.records, p.ahead.silent, p.ahead.told, p.ahead.bytes, p.ahead.aside = g.runs, g.records, g.silent, g.halts, len(g.State), g.aside
	p.ahead.attempts.stored = g.noted
	for _, at := range p.asides.came {
		p.ahead.stored = without(p.ahead.stored, at)
	}
	p.unsure = p.unsure && p.status().life() == open
	p.mu.Unlock()
	p.acked(g.Offset)
}

// acked notes the committed offset and frees the workers and elements that wait for it.
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
	p.openBarrier(offset)
	p.changed()
}

// holds reports whether the stored position covers the finished record at offset, or its state has
// no space for it. In that case nothing may wait: an unfinished record below may be next in the
// lane that would be held. The caller holds mu.
func (p *part) holds(offset int64) bool {
	return offset < p.committed || within(p.ahead.stored, offset) || p.ahead.kept && offset >= p.ahead.silent
}

// ackOf returns a channel that is closed once the stored position covers the record at offset, or
// once it never will. It returns nil if either holds already.
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

// freeAcks frees the workers that wait for a commit that will not be made.
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
