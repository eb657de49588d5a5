package stream

import (
	"errors"
	"fmt"
	"time"
)

// pause is a seal that no source has made.
func (p *part) pause(by string) error {
	s := &seal{Halt: Halt{Failure: Failure{Meta: p.tp.at(0), Err: errors.New("paused by " + by)},
		Scope: ScopePartition, Since: time.Now(), Epoch: p.epoch, By: by, over: make(chan struct{})}}
	if err := p.seals(s); err != nil {
		return err
	}
	p.host.emit(Paused{s.Halt})
	p.changed() // an open batch waits for elements that will not come: flush it
	return nil
}

// seals puts s in place, at the fetch position.
func (p *part) seals(s *seal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed != nil {
		return fmt.Errorf("%v cannot be paused, nothing is read of it already: %w [LW234]", p.tp, p.sealed.Err)
	}
	if !p.status().accepts() {
		return fmt.Errorf("%v cannot be paused while it drains, or waits for where it starts [LW234]", p.tp)
	}
	s.Meta.Offset, s.Last, s.next = p.next, p.next, p.next
	p.sealed = s
	p.stand(p.status() | sourceHalted)
	return nil
}
