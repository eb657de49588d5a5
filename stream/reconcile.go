package stream

// changed reconciles the partition: see inlet.reconcile. Call it after a change of anything that
// this reads, and call it without a lock. One goroutine at a time reconciles. It reads the current
// state, and repeats for changes that arrive while it runs.
func (p *part) changed() {
	if p.above != nil {
		p = p.above // a partition and its tail are reconciled together
	}
	if p.pending.Add(1) > 1 {
		return // another goroutine is reconciling and will repeat
	}
	for seen := int32(1); ; {
		p.host.reconcile(p)
		if seen = p.pending.Add(-seen); seen == 0 {
			return
		}
	}
}

// lookAgain wakes the goroutine that drains the partition.
func (p *part) lookAgain() {
	select {
	case p.rested <- struct{}{}:
	default:
	}
}

// freed is called for each finished record, since a slab with one unfinished record does not
// settle. It looks for room after every few records only, as the look visits every slab.
func (p *part) freed() {
	if p.full.Load() && p.since.Add(1) >= p.step.Load() {
		p.since.Store(0)
		p.wakeSource()
	}
}

// wakeSource wakes a source that found no room once there is room again.
func (p *part) wakeSource() {
	if !p.full.Load() {
		return
	}
	if n, _ := p.room(); n > 0 && p.full.CompareAndSwap(true, false) && p.wake != nil {
		p.host.call("Wake of an Assignment", p.wake)
	}
}
