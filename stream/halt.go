package stream

import (
	"fmt"
	"time"
)

// haltEnd is how a halt ends.
type haltEnd struct {
	Halt
	how  resumption
	byTx bool // it was a transaction's
}

// skips reports whether the record at an offset is given up.
func (e haltEnd) skips(offset int64) bool { return e.how == giveUp && e.Meta.Offset == offset }

// freeze halts the partition at a failed record: what runs finishes, waits end, what is queued is
// dropped. Where again is set, the halt ends by itself after that: see ResumeAfter.
func (p *part) freeze(f Failure, by halted, again time.Duration) {
	h := &Halt{Failure: f, Since: time.Now(), Epoch: p.epoch, over: make(chan struct{})}
	before := p.setStatus(func(s status) status { return s.withHalted(max(by, s.haltedBy())) })
	if before.haltedBy() != notHalted {
		return // this record will be tried again with the others
	}
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.mu.Lock()
	stays := p.status().life() == open
	if stays {
		if again > 0 {
			h.ResumeAt = h.Since.Add(p.mends.next(p, f.Meta.Offset, by == byTransaction, again))
		}
		p.halt, p.byTx, p.resume = h, by == byTransaction, noResume
	}
	p.mu.Unlock()
	p.host.emit(Halted{*h})
	if stays {
		p.mendLater(h)
	}
	p.changed()
}

// release asks for the halt's end; it comes when everything that was started has come to rest.
func (p *part) release(h Halt, how resumption) error {
	if p.unseal(h, how) {
		return nil
	}
	p.mu.Lock()
	if p.halt == nil || p.halt.Epoch != h.Epoch || p.halt.Meta.Offset != h.Meta.Offset || p.resume > tryItself {
		p.mu.Unlock()
		return fmt.Errorf("%v@%d, epoch %d: %w", p.tp, h.Meta.Offset, h.Epoch, ErrStale)
	}
	p.resume = how
	p.mu.Unlock()
	p.changed()
	return nil
}

// tryResume ends the halt if that was asked for and nothing of the partition is held any more: its
// unfinished records go back into their lanes, what had finished is not run again.
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
		lost = p.gate.forget(again)
	}
	instead := p.host.resumed(p, again, end)
	if end.how == giveUp && instead == nil {
		p.host.emit(Skipped{end.Failure})
	}
	p.tellSkipped(lost, end.Halt)
	p.host.emit(Resumed{end.Halt, end.how == tryItself}) // before what follows from it
	defer close(end.over)
	if instead != nil {
		instead()
		return
	}
	p.refill(end)
}

// endHalt takes the halt away, if it is to end and nothing is held. The partition is resuming then.
// Of an assignment that has ended it does not end: another one tries its record again.
func (p *part) endHalt() (end haltEnd, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resume == noResume || p.halt == nil || p.status().isReleased() || !p.led.AtRest() {
		return end, false
	}
	end = haltEnd{*p.halt, p.resume, p.byTx}
	p.halt, p.resume = nil, noResume
	p.stand(p.status().withHalted(resuming))
	return end, true
}

// over is closed when the end of a halt is over; nil: the partition is not halted there any more.
func (p *part) over(h Halt) <-chan struct{} {
	if h.over != nil {
		return h.over
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, is := range p.halts() { // somebody wrote h down
		if is.Meta.Offset == h.Meta.Offset {
			return is.over
		}
	}
	return nil
}

// refill puts what is unfinished back into its lanes, in order. It has the intake to itself: what
// is fed while the partition is halted waits in the ledger, what is fed afterwards comes behind.
func (p *part) refill(end haltEnd) {
	p.intake.Lock()
	defer p.intake.Unlock()
	var back []*record
	// a transaction may have halted it again, or does so meanwhile
	resumes := p.status().halted() == resuming
	for s, i := range p.led.Unfinished {
		switch {
		case end.skips(s.Offset(i)):
			s.Finish(int32(i))
		case resumes:
			s.Reopen(int32(i))
			back = append(back, s.Payload.(values).record(i))
		}
	}
	if !resumes {
		return
	}
	p.goOn()
	p.host.again(p, back)
	p.full.Store(true)
}

// goOn is the end of resuming, unless the partition was halted again.
func (p *part) goOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status()
	if s.halted() != resuming {
		return
	}
	if s.life() == open { // a drain waits for no retry
		p.stop = make(chan struct{})
	}
	p.stand(s.withHalted(notHalted))
}

// tellSkipped says which records are given up besides the halted one: those that were one with its.
func (p *part) tellSkipped(results []*record, h Halt) {
	for _, one := range results {
		one.leaves(func(l *record) bool {
			if l.offset() != h.Meta.Offset {
				f := h.Failure
				f.Meta = l.meta()
				p.host.emit(Skipped{f})
			}
			return true
		})
	}
}
