package stream

import (
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// feedHalt is a halt of the feed: the source cannot read the record at its offset. The source feeds
// nothing more, so no offset past it is committed. Records fed before are processed as usual.
type feedHalt struct {
	Halt
	next  int64   // the offset to feed from after Skip
	asked *ending // the end that was asked for before observers heard of the beginning
}

// haltFeed stops the feed of the partition at a record that its source cannot read.
func (p *part) haltFeed(f Failure, next int64) {
	s := &feedHalt{Halt: Halt{Failure: f, Scope: ScopePartition, Since: time.Now(), Epoch: p.epoch, Last: f.Meta.Offset, over: make(chan struct{}), among: []int64{f.Meta.Offset}}, next: next}
	if _, put := p.putFeedHalt(s, false); put {
		p.host.emit(Halted{s.Halt})
		p.feedHaltBegun(s)
		p.changed() // an open batch waits for elements that will not come: flush it
	}
}

// feedHaltBegun is begun for a feedHalt.
func (p *part) feedHaltBegun(s *feedHalt) {
	p.begun(&s.Halt)
	p.mu.Lock()
	as := s.asked
	p.mu.Unlock()
	if as != nil {
		_, _ = p.endFeedHalt(s.Halt, *as) // which was checked
	}
}

// putFeedHalt puts s in place, at the fetch position if here is set. It returns the one that is
// there
// already, or that the partition accepts no records.
func (p *part) putFeedHalt(s *feedHalt, here bool) (before *feedHalt, put bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.feedHalt != nil || !p.status().accepts() {
		return p.feedHalt, false
	}
	if here {
		s.Meta.Offset, s.Last, s.next = p.next, p.next, p.next
	}
	p.feedHalt = s
	p.stand(p.status() | sourceHalted)
	if s.By != "" {
		p.haltChanged(&s.Halt)
	}
	return nil, true
}

// endFeedHalt lets the source feed again, from the same offset or, with Skip, from the next one. It
// returns false if h is not the source halt.
func (p *part) endFeedHalt(h Halt, as ending) (is bool, err error) {
	p.mu.Lock()
	s := p.feedHalt
	if s == nil || s.Epoch != h.Epoch || !s.same(h) {
		p.mu.Unlock()
		return false, nil
	}
	if s.By != "" && as.how == giveUp {
		p.mu.Unlock()
		return true, fmt.Errorf("%v is paused, and no record has failed: Resume continues reading [LW234]", p.tp)
	}
	if err := s.asks(as); err != nil {
		p.mu.Unlock()
		return true, err
	}
	if !s.told {
		s.asked = &as
		p.mu.Unlock()
		return true, nil
	}
	p.feedHalt = nil
	if s.By != "" {
		p.haltChanged(&s.Halt)
	}
	if as.how == giveUp {
		p.next = max(p.next, s.next)
		p.asides.unreadable = append(p.asides.unreadable, resume.Run{From: s.Meta.Offset, To: s.next})
	}
	next := p.next
	p.stand(p.status() &^ sourceHalted)
	p.mu.Unlock()
	if as.how == giveUp {
		p.led.Advance(next)
		p.host.emit(Skipped{s.Failure})
		p.host.advanced(p)
	}
	p.host.emit(Resumed{s.Halt, as.how == tryItself})
	close(s.over)
	p.full.Store(true)
	p.changed()
	return true, nil
}

// halts returns the partition's halts: a record's, a source's, and those of parked lanes and
// records. The caller holds mu.
func (p *part) halts() (hs []Halt) {
	if p.halt != nil {
		hs = append(hs, *p.halt)
	}
	if p.feedHalt != nil {
		hs = append(hs, p.feedHalt.Halt)
	}
	for _, k := range p.parks.all {
		h := *k.Halt
		if e := p.asides.lanes[k.id]; e != nil && k.Scope == ScopeLane {
			h.AsideFrom = e.from
		}
		hs = append(hs, h)
	}
	return hs
}
