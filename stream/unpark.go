package stream

import (
	"fmt"
	"slices"

	"github.com/laneway-go/laneway/internal/ledger"
)

// unparkSoon is called when a hold of a record is given back. A park that is ending may wait for
// it. Each such park has one ticket in waits, so other records cost only a look at waits.
func (p *part) unparkSoon() {
	if p.status()&someParked == 0 || p.parks.leaving.Load() == 0 {
		return
	}
	if waits := p.parks.waits.Load(); waits == nil || slices.ContainsFunc(*waits, (*ledger.Ticket).AtRest) {
		p.changed()
	}
}

// unpark ends the parks whose end was asked for, once none of their records is held.
func (p *part) unpark() {
	if p.parks.leaving.Load() == 0 {
		return
	}
	ks := p.atRest(p.parksLeaving())
	if len(ks) == 0 {
		return
	}
	ends := map[*park]haltEnd{}
	for _, k := range ks {
		ends[k] = p.endPark(k)
	}
	p.intake.Lock()
	ks = p.atRest(ks) // records fed since the last look have to be dropped first
	finished := p.readmit(ks, ends)
	p.intake.Unlock()
	p.led.CountFinished(finished) // without intake: it may wake the source, which feeds
	for _, k := range ks {
		close(k.over)
		p.full.Store(true)
	}
}

// letGo ends restored parks of records that the log has no longer, since it was compacted. Then the
// watermark has passed them.
func (p *part) letGo() {
	if p.status()&someParked == 0 || !p.host.mayResume() {
		return
	}
	mark := p.led.Watermark()
	var told []SourceEvent
	p.host.restarts(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, k := range p.parks.all {
			if k.Restored && k.By == "" && k.Last < mark && p.status().life() == open && p.parks.release(k, tryItself) {
				told = append(told, SourceEvent{TopicPartition: p.tp, Name: "parked record gone", Err: k.Err, Text: fmt.Sprintf("the log has %v no longer, which %s could not process: what waits behind it continues", k.Meta, k.Step)})
			}
		}
	})
	for _, e := range told {
		p.host.emit(e)
	}
}

// parksLeaving returns the parks whose end was requested. A drain only ends those that give up
// records: the next assignment retries the records of the others.
func (p *part) parksLeaving() (ks []*park) {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := tryItself
	switch p.status().life() {
	case open:
	case draining:
		least = giveUp
	default:
		return nil
	}
	for _, k := range p.parks.all {
		if k.resume >= least && k.told {
			ks = append(ks, k)
		}
	}
	return ks
}

// atRest returns the parks of which no record is held, and notes one ticket that each of the others
// waits for.
func (p *part) atRest(ks []*park) (rest []*park) {
	held := map[*park]*ledger.Ticket{}
	for s, i := range p.led.Unfinished {
		t := &s.Tickets[i]
		if t.AtRest() {
			continue
		}
		if m, ok := s.Payload.(values).meta(int32(i)); ok {
			for k := range p.parks.index.covering(s.Offset(i), m.Key) {
				held[k] = t
			}
		}
	}
	waits := []*ledger.Ticket{}
	for _, k := range ks {
		if t := held[k]; t != nil {
			waits = append(waits, t)
		} else {
			rest = append(rest, k)
		}
	}
	p.parks.waits.Store(&waits)
	if slices.ContainsFunc(waits, (*ledger.Ticket).AtRest) { // before it was noted
		p.changed()
	}
	return rest
}

// endPark reports the end of a park, once: before events of the records that it puts back.
func (p *part) endPark(k *park) haltEnd {
	p.mu.Lock()
	told := k.ended
	k.ended = true
	end := haltEnd{*k.Halt, k.resume, false, map[int64]bool{}}
	p.mu.Unlock()
	if !told {
		p.tellGivenUp(end)
		p.host.emit(Resumed{end.Halt, end.how == tryItself})
	}
	return end
}

// readmit removes parks and puts their records back into the first stage, in order. Records that
// another park covers stay, and records of a halted partition wait for the end of the halt. It
// returns how many records are given up. The caller holds intake, so that records fed from now on
// go behind them.
func (p *part) readmit(ks []*park, ends map[*park]haltEnd) (finished int) {
	var gone parkIndex
	for _, k := range ks {
		gone.add(k)
	}
	p.mu.Lock()
	p.parks.remove(ks)
	p.releaseAsides(ks)
	if len(p.parks.all) == 0 {
		p.stand(p.status() &^ someParked)
	}
	for _, k := range ks {
		p.haltChanged(k.Halt)
	}
	p.mu.Unlock()
	waits := p.status().waits()
	var back []*record
	for s, i := range p.led.Unfinished {
		if !s.Tickets[i].Idle() { // of no park that ends here
			continue
		}
		at, r := s.Offset(i), s.Payload.(values).record(i)
		covered, skips := false, false
		for k := range gone.covering(at, r.key()) {
			covered, skips = true, skips || ends[k].skips(at)
		}
		switch {
		case skips:
			s.Finish(int32(i))
			finished++
		case covered && waits && !r.parked():
			s.Reopen(int32(i))
			back = append(back, r)
		}
	}
	for _, k := range ks {
		if ends[k].how == giveUp {
			p.parks.skips.Add(-1)
		}
		if k.Restored {
			p.giveUpUnread(ends[k])
		}
	}
	p.host.again(p, back)
	p.parks.leaving.Add(-int32(len(ks))) // not before their tickets are held: see ending
	return finished
}
