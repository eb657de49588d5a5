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
	switch before, put := p.putSeal(s, true); {
	case before != nil:
		return fmt.Errorf("%v cannot be paused, nothing is read of it already: %w [LW234]", p.tp, before.Err)
	case !put:
		return fmt.Errorf("%v cannot be paused while it drains, or waits for where it starts [LW234]", p.tp)
	}
	p.host.emit(Paused{s.Halt})
	p.changed() // an open batch waits for elements that will not come: flush it
	return nil
}
