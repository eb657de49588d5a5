package stream

// unparkSoon is called when a record is given up or finished. The park that is to end may have
// waited for it.
func (p *part) unparkSoon() {
	if p.parks.leaving.Load() > 0 {
		p.changed()
	}
}

// unpark ends the parks whose end was asked for, once none of their records is held.
func (p *part) unpark() {
	if p.parks.leaving.Load() == 0 {
		return
	}
	for _, k := range p.parksLeaving() {
		if !p.rests(k) {
			continue
		}
		end := p.endPark(k)
		p.intake.Lock()
		rests := p.rests(k) // records fed since the last look have to be dropped first
		if rests {
			p.readmit(k, end)
		}
		p.intake.Unlock()
		if !rests {
			continue
		}
		if end.Restored {
			p.giveUpUnread(end)
		}
		close(k.over)
		p.full.Store(true)
	}
}

// parksLeaving returns the parks whose end was asked for. A drain ends none: the next assignment
// retries their records.
func (p *part) parksLeaving() (ks []*park) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status().life() != open {
		return nil
	}
	for _, k := range p.parks.all {
		if k.resume != noResume {
			ks = append(ks, k)
		}
	}
	return ks
}

// rests reports whether no record of the park is held.
func (p *part) rests(k *park) bool {
	for s, i := range p.led.Unfinished {
		if s.Tickets[i].AtRest() {
			continue
		}
		if m, ok := s.Payload.(values).meta(int32(i)); ok && k.covers(s.Offset(i), m.Key) {
			return false
		}
	}
	return true
}

// endPark tells of the end of a park, once: before events of the records that it puts back.
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

// readmit removes a park and puts its records back into the first stage, in order. Those that are
// parked otherwise stay, and those of a halted partition wait for the end of the halt. The caller
// holds intake, so that records fed from now on go behind them.
func (p *part) readmit(k *park, end haltEnd) {
	p.mu.Lock()
	p.parks.remove(k)
	if len(p.parks.all) == 0 {
		p.stand(p.status() &^ someParked)
	}
	p.haltChanged()
	p.mu.Unlock()
	waits := p.status().waits()
	var back []*record
	for s, i := range p.led.Unfinished {
		vs := s.Payload.(values)
		m, ok := vs.meta(int32(i))
		if !ok || !k.covers(s.Offset(i), m.Key) {
			continue
		}
		switch r := vs.record(i); {
		case end.skips(s.Offset(i)):
			s.Finish(int32(i))
		case waits && !r.parked():
			s.Reopen(int32(i))
			back = append(back, r)
		}
	}
	p.host.again(p, back)
}
