package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// Halt is a frozen partition: the failure that froze it, and since when. Pass it to Resume or Skip as it was read: both check that it is still the one
// that is there.
type Halt struct {
	Failure
	Since time.Time
	Epoch int32
}

func (h Halt) String() string {
	return fmt.Sprintf("%v is halted since %s: %v; Resume tries the record again, Skip gives it up",
		h.Meta.TP(), h.Since.Format(time.RFC3339), h.Failure)
}

// freeze stops the partition at a failed record: what runs finishes, waits end, what is queued is dropped.
func (p *part) freeze(f Failure) { p.freezeWith(f, 0) }

// freezeWith raises another flag in the same step, also where the partition is frozen already.
func (p *part) freezeWith(f Failure, also uint32) {
	h := Halt{Failure: f, Since: time.Now(), Epoch: p.epoch}
	if p.raise(frozen|also)&frozen != 0 {
		return // it is frozen already: this record will be tried again with the others
	}
	for _, st := range p.run.batches {
		st.batchOf(p).discard()
	}
	p.giveUpInside()
	p.mu.Lock()
	if p.flags.Load()&(closing|gone) == 0 {
		p.halt, p.byTx, p.resume = &h, also&unwritten != 0, noResume
	}
	p.mu.Unlock()
	p.run.emit(Halted{h})
}

// release asks for the halt's end; it comes when everything that was begun has come to rest.
func (p *part) release(h Halt, how resumption) error {
	if p.unseal(h, how) {
		return nil
	}
	p.mu.Lock()
	if p.halt == nil || p.halt.Epoch != h.Epoch || p.halt.Meta.Offset != h.Meta.Offset || p.resume != noResume {
		p.mu.Unlock()
		return fmt.Errorf("%v@%d, epoch %d: %w", p.tp, h.Meta.Offset, h.Epoch, ErrStale)
	}
	p.resume = how
	p.mu.Unlock()
	p.tryResume()
	return nil
}

// tryResume puts the unfinished records of a resumed partition back into their lanes, as soon as nothing of it is held any more. What had
// finished above the watermark is not run again.
func (p *part) tryResume() {
	skipped, split, ok := p.refill()
	if !ok {
		return
	}
	if split {
		p.run.tx.restart(p, errSplit, 0)
		return
	}
	if skipped {
		p.run.counted(p) // what was given up is finished
	}
	p.full.Store(true)
	p.moved()
	p.run.settle(p) // its last task may have ended before it was open again
	p.lookAgain()
}

// refill ends the halt, if that was asked for and nothing is held. It has the intake to itself: what is fed meanwhile comes behind.
func (p *part) refill() (skipped, split, ok bool) {
	p.mu.Lock()
	asked := p.resume != noResume
	p.mu.Unlock()
	if !asked {
		return false, false, false
	}
	p.intake.Lock()
	defer p.intake.Unlock()
	p.mu.Lock()
	how := p.resume
	if how == noResume || p.halt == nil || !p.led.AtRest() {
		p.mu.Unlock()
		return false, false, false
	}
	h, byTx := *p.halt, p.byTx
	p.halt, p.resume = nil, noResume
	if p.flags.Load()&(closing|gone) == 0 { // a drain waits for no retry
		p.stop = make(chan struct{})
	}
	p.flags.Or(refilling)
	p.flags.And(^(frozen | unwritten))
	p.mu.Unlock()

	if p.run.plan.gated || p.run.tx != nil {
		again := map[int64]bool{}
		for s, i := range p.led.Unfinished {
			again[s.Tickets[i].Offset] = true
		}
		p.gate.forget(again)
		split = p.run.tx.resumed(p, again, h, how, byTx)
	}
	if how == giveUp && !split {
		p.run.emit(Skipped{h.Failure})
	}
	p.run.emit(Resumed{h}) // before what follows from it
	if split {
		return false, true, true
	}
	first := p.run.stages[0]
	for s, i := range p.led.Unfinished {
		t := &s.Tickets[i]
		if how == giveUp && t.Offset == h.Meta.Offset {
			t.Finish()
			skipped = true
			continue
		}
		t.Reopen()
		r := s.Payload.(values).record(i)
		first.put(nil, r, first.idOf(noWorker, r), &lane.Task{Of: r}) // not r.task: its old lane may still hold that one
	}
	p.flags.And(^refilling)
	return skipped, false, true
}

var noWorker = &worker{}
