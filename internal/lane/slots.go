package lane

// Slots returns how many workers may run at a time, and how many do.
func (p *Pool) Slots() (slots, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slots, p.busy
}

// SetSlots changes how many workers may run at a time from was to n, which is at least 1. It
// returns false if was is not how many may now.
//
// If more run than n, none is stopped. Each looks at due after its task, and gives up its slot
// while they are too many. Its lane goes back to the end of the queue with its next task first. So
// a lane still runs in order and on one worker, and no task begins beyond n, except those that
// workers take during the call.
func (p *Pool) SetSlots(was, n int) bool {
	p.mu.Lock()
	if p.slots != was {
		p.mu.Unlock()
		return false
	}
	before := p.excess()
	p.slots, p.ready.most = n, min(n, roundMax)
	p.due.Add(int32(p.excess() - before))
	for p.busy < n && len(p.resume) > 0 {
		p.busy++
		p.resumeOne()
	}
	p.draw()
	w, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(w, fresh)
	return true
}

// excess returns how many workers are busy without a slot. The caller holds mu.
func (p *Pool) excess() int { return max(0, p.busy-p.slots) }

// passSlot passes a slot on to the worker that has waited longest for one after Wait. It returns
// false if none waits. While more are busy than there are slots, the slot is gone instead. The
// caller holds mu.
func (p *Pool) passSlot() bool {
	switch {
	case p.excess() > 0:
		p.busy--
		p.due.Add(-1)
		return true
	case len(p.resume) == 0:
		return false
	}
	p.resumeOne()
	return true
}

// resumeOne gives a slot to the worker that has waited longest for one. The caller holds mu.
func (p *Pool) resumeOne() {
	r := p.resume[0]
	p.resume = p.resume[1:]
	p.due.Add(-1)
	r.wake <- struct{}{} // has room: r waits on it and is in no other list
}
