package stream

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// An operator holds a partition with Pause, or a key with Park. Both are halts without a failed
// record. They are stored with the other halts, and every build honours them.

// heldBy returns a halt that an operator asks for.
func (p *part) heldBy(scope Scope, by string, until time.Time) Halt {
	why := errors.New("paused by " + by)
	if scope == ScopeLane {
		why = errors.New("parked by " + by)
	}
	return Halt{Failure: Failure{Meta: p.tp.at(0), Err: why}, Scope: scope, Since: time.Now(), ResumeAt: until,
		Epoch: p.epoch, By: by, Durable: p.ahead.halting, over: make(chan struct{})}
}

// pause is a seal that no source has made.
func (p *part) pause(by string, until time.Time) error {
	s := &seal{Halt: p.heldBy(ScopePartition, by, until)}
	switch before, put := p.putSeal(s, true); {
	case before != nil:
		return fmt.Errorf("%v cannot be paused, nothing is read of it already: %w [LW234]", p.tp, before.Err)
	case !put:
		return fmt.Errorf("%v cannot be paused while it drains, or waits for where it starts [LW234]", p.tp)
	}
	p.host.emit(Paused{s.Halt})
	p.mendLater(&s.Halt)
	p.changed() // an open batch waits for elements that will not come: flush it
	return nil
}

// parkKey is a park without a failed record. It begins at the watermark, so it covers all
// unfinished records of the key.
func (p *part) parkKey(key []byte, by string, until time.Time) error {
	if !p.ahead.halting {
		return fmt.Errorf("a key of %v cannot be parked: no resume state is stored, and nothing could finish beside it [LW238]", p.tp)
	}
	h := p.heldBy(ScopeLane, by, until)
	p.mu.Lock()
	h.Meta.Offset, h.Meta.Key = p.led.Watermark(), bytes.Clone(key)
	h.Last = h.Meta.Offset
	other, stays := p.parks.laneOf(key), p.status().accepts()
	if stays && other == nil {
		p.parks.add(&h)
		p.stand(p.status() | someParked)
		p.haltChanged(&h)
	}
	told := Paused{h}
	p.mu.Unlock()
	switch {
	case !stays:
		return fmt.Errorf("a key of %v cannot be parked while it drains [LW234]", p.tp)
	case other != nil:
		return fmt.Errorf("the key is parked already: %v [LW234]", *other)
	}
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.host.emit(told)
	p.mendLater(&h)
	p.changed()
	return nil
}

// laneOf returns a copy of the halt that parks a key's lane, or nil. The caller holds part.mu.
func (ps *parks) laneOf(key []byte) *Halt {
	id := resume.LaneOf(key)
	for _, k := range ps.all {
		if k.Scope == ScopeLane && k.id == id {
			h := *k.Halt
			return &h
		}
	}
	return nil
}

// byHand returns how many lanes operators have parked. The caller holds part.mu.
func (ps *parks) byHand() (n int) {
	for _, k := range ps.all {
		if k.By != "" {
			n++
		}
	}
	return n
}

// storeHeld returns an operator's halt as it is stored with an offset, from which on it holds.
func (h *Halt) storeHeld(offset int64, lane resume.LaneID) resume.Halt {
	r := resume.Halt{Scope: storedScopes[h.Scope], Offset: offset, Last: offset, Since: h.Since.Unix(), By: h.By, Lane: lane, Key: string(h.Meta.Key)}
	if !h.ResumeAt.IsZero() {
		r.ResumeAt = h.ResumeAt.Unix()
	}
	return r
}

// inheritHeld restores an operator's halt, from the first offset of the assignment on.
func (p *part) inheritHeld(r resume.Halt, next int64) {
	scope, until := ScopePartition, time.Time{}
	if r.Scope == resume.Lane {
		scope = ScopeLane
	}
	if r.ResumeAt != 0 {
		until = time.Unix(r.ResumeAt, 0)
	}
	h := p.heldBy(scope, strings.ToValidUTF8(r.By, "\uFFFD"), until)
	h.Meta.Offset, h.Last, h.Since, h.Restored = next, next, time.Unix(r.Since, 0), true
	switch {
	case scope == ScopeLane:
		if r.Key != "" {
			h.Meta.Key = []byte(r.Key)
		}
		p.inheritLane(&h, r.Lane)
	case p.sealed == nil:
		p.sealed = &seal{h, next}
		p.stand(p.status() | sourceHalted)
	}
}
