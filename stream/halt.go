package stream

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ending is an operator's request to end a halt.
type ending struct {
	how      resumption
	named    bool  // skip only the offsets of the halt from from to to; else all of them
	from, to int64 // both inclusive
}

// asks sets how the halt ends, or returns why it cannot end in that way.
func (h *Halt) asks(e ending) error {
	if e.how != giveUp {
		return nil
	}
	h.from, h.to = h.among[0], h.among[len(h.among)-1]
	if !e.named {
		if h.several() {
			return fmt.Errorf("%w: one of %v … @%d failed, and Skip would skip the others too: name the offsets to skip with SkipRange", ErrSeveral, h.Meta, h.Last)
		}
		return nil
	}
	if !slices.ContainsFunc(h.among, func(o int64) bool { return e.from <= o && o <= e.to }) {
		return fmt.Errorf("no offset from %d to %d is halted: the halt covers %v … @%d [LW227]", e.from, e.to, h.Meta, h.Last)
	}
	h.from, h.to = e.from, e.to
	return nil
}

// haltEnd is the end of a halt.
type haltEnd struct {
	Halt
	how  resumption
	byTx bool           // a transaction halted the partition
	told map[int64]bool // offsets whose Skipped event was sent
}

// skips reports whether the record at offset is skipped.
func (e haltEnd) skips(offset int64) bool {
	_, among := slices.BinarySearch(e.among, offset)
	return e.how == giveUp && e.from <= offset && offset <= e.to && among
}

// isOf reports whether a record between from and to is one of the halt. The resume state does not
// say which records of other keys lie between those of a lane.
func (e haltEnd) isOf(r *record) bool {
	return e.Scope != ScopeLane || bytes.Equal(r.meta().Key, e.Meta.Key)
}

// suspects is the records that may have caused a failure.
type suspects struct {
	offsets []int64
	joined  bool // the records are one element
}

// one returns the suspects of a failure of a single record.
func one(offset int64) suspects { return suspects{offsets: []int64{offset}} }

// add adds the records of an element.
func (s *suspects) add(r *record) {
	r.sources(func(l *record) bool { s.offsets = append(s.offsets, l.offset()); return true })
}

// haltOf returns a halt that begins now.
func (p *part) haltOf(f Failure, of suspects, scope Scope) *Halt {
	slices.Sort(of.offsets)
	among := slices.Compact(of.offsets)
	return &Halt{Failure: f, Scope: scope, Since: time.Now(), Epoch: p.epoch, Last: among[len(among)-1], Joined: of.joined && len(among) > 1,
		over: make(chan struct{}), among: among}
}

// freeze halts the partition at a failed record. Running handlers finish, waits end, and queued
// records are dropped. If again is set, the halt ends by itself after that time: see ResumeAfter.
// f is the failure of the first suspect.
func (p *part) freeze(f Failure, of suspects, by halted, again time.Duration) {
	h := p.haltOf(f, of, ScopePartition)
	before := p.setStatus(func(s status) status { return s.withHalted(max(by, s.haltedBy())) })
	if before.haltedBy() != notHalted {
		return // the end of that halt retries this record too
	}
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.mu.Lock()
	stays := p.status().life() == open
	if stays {
		if again > 0 {
			h.ResumeAt = h.Since.Add(p.haltBackoff.next(p, f.Meta.Offset, by == byTransaction, again))
		}
		p.halt, p.byTx, p.resume = h, by == byTransaction, noResume
		p.ahead.attempts.forget(h.among)
		h.builds = p.triedBy(f.Meta.Offset)
		h.Durable = len(h.builds) > 0 && p.ahead.halting && !p.byTx
		p.haltChanged(h)
	}
	told := Halted{*h}
	p.mu.Unlock()
	p.host.emit(told)
	if stays {
		p.begun(h)
	}
	p.changed()
}

// begun notes that observers have heard of a halt or park. It ends no earlier, whoever asks for
// that meanwhile, so that its end is told behind its beginning. Call changed behind it.
func (p *part) begun(h *Halt) {
	p.mu.Lock()
	h.told = true
	p.mu.Unlock()
	p.resumeLater(h)
}

// release asks for the end of the halt. It ends once no started record is in flight.
func (p *part) release(h Halt, as ending) error {
	if is, err := p.endFeedHalt(h, as); is {
		return err
	}
	err := tooLate(h)
	p.host.restarts(func() { err = p.asked(h, as) })
	if err != nil {
		return err
	}
	p.changed()
	return nil
}

func tooLate(h Halt) error {
	return fmt.Errorf("the pipeline is ending, and its next run retries %v: %w", h.Meta, ErrNotRunning)
}

func (p *part) asked(h Halt, as ending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.parks.find(h); k != nil && !k.ended {
		if k.By != "" && as.how == giveUp {
			return fmt.Errorf("key %.40q of %v is parked by hand, and no record has failed: Resume releases it [LW234]", k.Meta.Key, p.tp)
		}
		if err := p.asksUnread(k, as); err != nil {
			return err
		}
		if err := k.asks(as); err != nil {
			return err
		}
		p.parks.release(k, as.how)
		return nil
	}
	if p.halt == nil || p.halt.Epoch != h.Epoch || !p.halt.same(h) || p.resume > tryItself {
		return fmt.Errorf("%v@%d, epoch %d: %w", p.tp, h.Meta.Offset, h.Epoch, ErrStale)
	}
	if err := p.halt.asks(as); err != nil {
		return err
	}
	p.resume = as.how
	return nil
}

// asksUnread refuses a Skip of a restored park before all of its records have been read: the resume
// state does not say which records of other keys lie between them. The caller holds mu.
func (p *part) asksUnread(k *park, as ending) error {
	if as.how != giveUp || !k.Restored || k.Last == k.Meta.Offset || p.led.End() > k.Last {
		return nil
	}
	return fmt.Errorf("the records of %v … @%d, parked by an earlier worker, have not all been read yet: skip them later, or Resume [LW232]", k.Meta, k.Last)
}

// tryResume ends the halt if that was asked for and no ticket is held. Unfinished records go back
// into their lanes. Finished records are not run again.
func (p *part) tryResume() {
	end, ok := p.endHalt()
	if !ok {
		return
	}
	again := map[int64]bool{}
	var lost []*record
	if p.host.rerunsForget() {
		for s, i := range p.led.Unfinished {
			again[s.Offset(i)] = true
		}
		lost = p.barrier.forget(again)
	}
	instead := p.host.resumed(p, again, end)
	if instead == nil {
		p.tellGivenUp(end)
	}
	p.tellSkipped(lost, end)
	p.host.emit(Resumed{end.Halt, end.how == tryItself}) // before events of the refilled records
	defer close(end.over)
	if instead != nil {
		instead()
		return
	}
	p.refill(end)
}

// endHalt removes the halt if its end was asked for and no ticket is held. The partition is then
// resuming. A released assignment keeps its halt, since the next assignment retries the record.
func (p *part) endHalt() (end haltEnd, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resume == noResume || p.halt == nil || !p.halt.told || p.status().isReleased() || !p.led.AtRest() {
		return end, false
	}
	end = haltEnd{*p.halt, p.resume, p.byTx, map[int64]bool{}}
	p.haltChanged(p.halt)
	p.halt, p.resume = nil, noResume
	p.stand(p.status().withHalted(resuming))
	return end, true
}

// over returns a channel that is closed once the halt has ended, or nil if the partition is not
// halted at that record.
func (p *part) over(h Halt) <-chan struct{} {
	if h.over != nil {
		return h.over
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, is := range p.halts() { // h was decoded, so it has no channel
		if is.same(h) {
			return is.over
		}
	}
	return nil
}

// refill puts unfinished records back into their lanes, in order. It holds intake, so that records
// fed during the halt, which wait in the ledger, go before records fed after it.
func (p *part) refill(end haltEnd) {
	finished := 0
	defer func() { p.led.CountFinished(finished) }() // without intake: it may wake the source, which feeds
	p.intake.Lock()
	defer p.intake.Unlock()
	var back []*record
	// a transaction may have halted the partition again; goOn checks once more
	resumes := p.status().halted() == resuming
	for s, i := range p.led.Unfinished {
		switch {
		case end.skips(s.Offset(i)):
			s.Finish(int32(i))
			finished++
		case resumes && !s.Payload.(values).record(i).parked():
			s.Reopen(int32(i))
			back = append(back, s.Payload.(values).record(i))
		}
	}
	if end.Restored {
		p.giveUpUnread(end)
	}
	if !resumes {
		return
	}
	p.goOn()
	p.host.again(p, back)
	p.full.Store(true)
}

// goOn ends resuming unless the partition was halted again.
func (p *part) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status()
	if s.halted() != resuming {
		return
	}
	if s.life() == open { // a drain allows no wait
		p.stop = make(chan struct{})
	}
	p.stand(s.withHalted(notHalted))
}

// tellGivenUp emits Skipped for each record that the end of the halt skips.
func (p *part) tellGivenUp(end haltEnd) {
	if end.how != giveUp {
		return
	}
	if end.skips(end.Meta.Offset) && !end.told[end.Meta.Offset] {
		end.told[end.Meta.Offset] = true
		p.host.emit(Skipped{end.Failure})
	}
	from := p.led.End()
	for _, at := range end.among {
		if at >= from && end.Restored && end.skips(at) && !end.told[at] { // not read yet
			f := end.Failure
			f.Meta = p.tp.at(at)
			end.told[at] = true
			p.host.emit(Skipped{f})
		}
	}
	for s, i := range p.led.Unfinished {
		if r := s.Payload.(values).record(i); end.skips(s.Offset(i)) && end.isOf(r) {
			p.tellSkipped([]*record{r}, end)
		}
	}
}

// tellSkipped emits Skipped once for each source record of results.
func (p *part) tellSkipped(results []*record, end haltEnd) {
	for _, one := range results {
		one.sources(func(l *record) bool {
			if !end.told[l.offset()] {
				end.told[l.offset()] = true
				f := end.Failure
				if f.Meta.Offset != l.offset() {
					f.Meta, f.Record = l.meta(), l.slab.Payload.(values).value(l.Index)
				}
				p.host.emit(Skipped{f})
			}
			return true
		})
	}
}

// heldBy returns a halt that an operator asks for.
func (p *part) heldBy(scope Scope, by string, until time.Time) Halt {
	why := errors.New("paused by " + by)
	if scope == ScopeLane {
		why = errors.New("parked by " + by)
	}
	return Halt{Failure: Failure{Meta: p.tp.at(0), Err: why}, Scope: scope, Since: time.Now(), ResumeAt: until,
		Epoch: p.epoch, By: by, Durable: p.ahead.halting, over: make(chan struct{})}
}
