package stream

import (
	"fmt"
	"time"
)

// Halt is a frozen partition: the failure that froze it, and since when. Pass it to Resume or Skip as it was read: both check that it is still the one
// that is there.
type Halt struct {
	Failure
	Since    time.Time
	Epoch    int32
	ResumeAt time.Time // when the record is tried again by itself; zero: when somebody says so. See ResumeAfter
}

func (h Halt) String() string {
	verbs := "Resume tries the record again, Skip gives it up"
	if !h.ResumeAt.IsZero() {
		verbs = fmt.Sprintf("the record is tried again at %s; Resume does so at once, Skip gives it up", h.ResumeAt.Format(time.RFC3339))
	}
	return fmt.Sprintf("%v is halted since %s: %v; %s", h.Meta.TP(), h.Since.Format(time.RFC3339), h.Failure, verbs)
}

// haltEnd is how a halt ends.
type haltEnd struct {
	Halt
	how  resumption
	byTx bool // it was a transaction's
}

// skips reports whether the record at an offset is given up.
func (e haltEnd) skips(offset int64) bool { return e.how == giveUp && e.Meta.Offset == offset }

// freeze halts the partition at a failed record: what runs finishes, waits end, what is queued is dropped.
func (p *part) freeze(f Failure, pol *policy, by halted) {
	h := &Halt{Failure: f, Since: time.Now(), Epoch: p.epoch}
	before := p.setStatus(func(s status) status { return s.withHalted(max(by, s.haltedBy())) })
	if before.haltedBy() != notHalted {
		return // this record will be tried again with the others
	}
	for _, st := range p.run.batches {
		st.batchOf(p).discard()
	}
	p.giveUpInside()
	over := make(chan struct{})
	p.mu.Lock()
	stays := p.status().life() == open
	if stays {
		if pol.resumes {
			h.ResumeAt = h.Since.Add(p.mends.next(p, f.Meta.Offset, by == byTransaction, pol.resumeAfter))
		}
		p.halt, p.haltOver, p.byTx, p.resume = h, over, by == byTransaction, noResume
	}
	p.mu.Unlock()
	p.run.emit(Halted{*h})
	if stays {
		p.mendLater(h, over)
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
	if p.tail != nil || p.run.plan.transacts() {
		for s, i := range p.led.Unfinished {
			again[s.Offset(i)] = true
		}
		p.gate.forget(again)
	}
	instead := p.run.commits.resumed(p, again, end)
	if end.how == giveUp && instead == nil {
		p.run.emit(Skipped{end.Failure})
	}
	p.run.emit(Resumed{end.Halt, end.how == tryItself}) // before what follows from it
	if instead != nil {
		instead()
		return
	}
	p.refill(end)
}

// endHalt takes the halt away, if it is to end and nothing is held. The partition is resuming then.
func (p *part) endHalt() (end haltEnd, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resume == noResume || p.halt == nil || !p.led.AtRest() {
		return end, false
	}
	end = haltEnd{*p.halt, p.resume, p.byTx}
	p.halt, p.resume = nil, noResume
	close(p.haltOver)
	p.stand(p.status().withHalted(resuming))
	return end, true
}

// refill puts what is unfinished back into its lanes, in order. It has the intake to itself: what is fed
// while the partition is halted waits in the ledger, what is fed afterwards comes behind.
func (p *part) refill(end haltEnd) {
	p.intake.Lock()
	defer p.intake.Unlock()
	var back []*record
	skipped := false
	resumes := p.status().halted() == resuming // a transaction may have halted it again
	for s, i := range p.led.Unfinished {
		switch {
		case end.skips(s.Offset(i)):
			s.Finish(int32(i))
			skipped = true
		case resumes:
			s.Reopen(int32(i))
			back = append(back, s.Payload.(values).record(i))
		}
	}
	if skipped {
		p.run.commits.advanced(p)
	}
	if !resumes {
		return
	}
	p.mu.Lock()
	if s := p.status(); s.life() == open { // a drain waits for no retry
		p.stop = make(chan struct{})
	}
	p.stand(p.status().withHalted(notHalted))
	p.mu.Unlock()
	first := p.run.stages[0]
	for _, r := range back {
		first.put(nil, r, first.idOf(noWorker, r), taskAgain(r)) // not its own task: its old lane may still hold that one
	}
	p.full.Store(true)
}

var noWorker = &worker{}
