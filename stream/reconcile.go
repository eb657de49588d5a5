package stream

// changed has the partition decide what it does next. Whoever changes something that a partition
// decides by calls it, and holds no lock then. One goroutine at a time decides, from what holds
// when it looks, and looks again for changes that came in between.
func (p *part) changed() {
	if p.above != nil {
		p = p.above // the two are decided about together
	}
	if p.pending.Add(1) > 1 {
		return // somebody is deciding, and will look again
	}
	for seen := int32(1); ; {
		p.reconcile()
		if seen = p.pending.Add(-seen); seen == 0 {
			return
		}
	}
}

// reconcile ends a halt that is to end, flushes what is kept back, has finished records committed,
// wakes the source, and has a drain look again.
func (p *part) reconcile() {
	p.tryResume()
	p.host.settle(p)
	p.host.look(p)
	p.wakeSource()
	p.lookAgain()
	if p.tail != nil {
		p.tail.lookAgain()
	}
}

// lookAgain has the one that drains look again.
func (p *part) lookAgain() {
	select {
	case p.rested <- struct{}{}:
	default:
	}
}

// wakeSource tells the source that there is room again, if it found none.
func (p *part) wakeSource() {
	if !p.full.Load() {
		return
	}
	if n, _ := p.room(); n > 0 && p.full.CompareAndSwap(true, false) && p.wake != nil {
		p.wake()
	}
}
