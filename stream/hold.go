package stream

import (
	"bytes"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/resume"
)

// An operator holds a partition with Pause, or a key with Park. Both are halts without a failed
// record. They are stored with the other halts, and every build honours them.

// pause is a feedHalt that no source has made.
func (p *part) pause(by string, until time.Time) error {
	s := &feedHalt{Halt: p.heldBy(ScopePartition, by, until)}
	switch before, put := p.putFeedHalt(s, true); {
	case before != nil:
		return fmt.Errorf("%v cannot be paused, nothing is read of it already: %w [LW234]", p.tp, before.Err)
	case !put:
		return fmt.Errorf("%v cannot be paused while it drains, or waits for where it starts [LW234]", p.tp)
	}
	p.host.emit(Paused{s.Halt})
	p.feedHaltBegun(s)
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
	other, stays := p.parks.lane(resume.LaneOf(key)), p.status().accepts()
	already := ""
	if other != nil {
		already = other.String()
	}
	if stays && other == nil {
		p.parks.add(&h)
		p.parkAside(resume.LaneOf(key))
		p.stand(p.status() | someParked)
		p.haltChanged(&h)
	}
	told := Paused{h}
	p.mu.Unlock()
	switch {
	case !stays:
		return fmt.Errorf("a key of %v cannot be parked while it drains [LW234]", p.tp)
	case other != nil:
		return fmt.Errorf("the key is parked already: %s [LW234]", already)
	}
	p.host.discard(p)
	p.host.giveUpInside(p)
	p.host.emit(told)
	p.begun(&h)
	p.changed()
	return nil
}
