package stream

import (
	"bytes"
	"fmt"
)

// stallShare is the part of MaxInFlight that a lane holds before it is set aside. Where many lanes
// stall, as in an outage, each holds less and stays in memory: not all could be set aside.
const stallShare = 64

// lookAtStalls has another look at the lanes that stall once enough was fed since the last one.
func (p *part) lookAtStalls(fed int) {
	if p.asides.stalled.count.Load() == 0 {
		return
	}
	limit, _ := p.host.limits()
	if p.asides.stalled.fed.Add(int64(fed)) > int64(limit/stallShare) {
		p.asides.stalled.fed.Store(0)
		p.host.spawn(p.changed) // the source may hold a lock
	}
}

// setStalledAside sets lanes aside that stall and hold more than their share.
func (p *part) setStalledAside() {
	if p.asides.stalled.count.Load() == 0 || p.status()&^someParked != 0 {
		return
	}
	limit, budget := p.host.limits()
	_, pinned := p.led.Held()
	share := limit / stallShare
	if pinned > budget/2 {
		share = 1 // a few may hold much
	}
	var told []SourceEvent
	p.intake.Lock()
	p.asides.stalled.fed.Store(0)
	for _, s := range p.stallsNow() {
		most := share
		if p.asides.lanes[s.id] != nil {
			most = 1 // what was read again makes way for others
		}
		if n := p.sets[s.stage].Queued(s.lane); n > max(1, most) {
			told = append(told, p.setStallAside(s, n-1, limit)...)
		}
	}
	p.intake.Unlock()
	for _, e := range told {
		p.host.emit(e)
	}
}

// setStallAside leaves out the records of a lane that are fed from now on, and takes those out of
// memory that are queued in the first stage: no step has begun these. The caller holds intake.
func (p *part) setStallAside(s stall, behind, limit int) (told []SourceEvent) {
	fits := p.hasSpaceFor(s.id, 0)
	p.mu.Lock()
	e, fresh := p.leaveOut(s.id, fits)
	p.mu.Unlock()
	if e == nil {
		return nil
	}
	if s.stage == p.entry {
		p.takeOutQueued(e, s, p.ahead.until)
		if p.sets[s.stage].Queued(s.lane) >= limit {
			p.takeOutQueued(e, s, 0) // rather repeat some than read nothing
		}
	}
	if !fresh {
		return nil
	}
	return []SourceEvent{{TopicPartition: p.tp, Name: "lane set aside",
		Text: fmt.Sprintf("%d records wait behind %v, with key %q, which is tried again: those from offset %d on are not kept in memory, and read again then", behind, s.first, s.first.Key, e.from)}}
}

// takeOutQueued takes the queued records of a lane out of memory. What lies below an offset stays:
// see waitingLanes. The caller holds intake.
func (p *part) takeOutQueued(e *aside, s stall, below int64) {
	recs := p.host.cut(p, s.lane, func(r *record) bool {
		return r.slab.Tickets[r.Index].Tried() || r.offset() < below || !bytes.Equal(r.key(), s.first.Key)
	})
	out := make([]ticketAt, len(recs))
	for i, r := range recs {
		out[i] = ticketAt{r.slab, r.Index}
		r.slab.Drop(r.Index)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takeOutOf(e, out)
}
