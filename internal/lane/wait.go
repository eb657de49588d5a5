package lane

import "slices"

// Wait runs wait without a slot, so that another worker can use it, then takes a slot back. The
// lane stays held. If too many workers wait already, it keeps the slot until another worker is to
// have it: an outage becomes backpressure.
func (w *Worker) Wait(wait func()) {
	if !w.TryWait(wait) {
		w.keep(wait)
	}
}

// WaitWithin is Wait for a kind of wait with a limit of its own, which leaves places to the others.
func (w *Worker) WaitWithin(own *Limit, wait func()) {
	if !own.take() {
		w.keep(wait)
		return
	}
	defer own.put()
	w.Wait(wait)
}

// keep runs wait with the slot, unless another worker is to have it.
func (w *Worker) keep(wait func()) {
	p := w.pool
	p.mu.Lock()
	p.keeping = append(p.keeping, w)
	p.draw()
	p.mu.Unlock()

	wait()

	p.mu.Lock()
	i := slices.Index(p.keeping, w)
	if i < 0 {
		w.takeSlot()
		return
	}
	p.keeping = slices.Delete(p.keeping, i, i+1)
	p.mu.Unlock()
}

// draw takes the slots of workers that keep one in Wait while slots are due. Otherwise workers that
// are through with their wait would stand behind those that came later, and a lower number of slots
// would not be reached. This exceeds the limit, by no more than there are slots. The caller holds
// mu.
func (p *Pool) draw() {
	for p.due.Load() > 0 && len(p.keeping) > 0 {
		p.keeping = slices.Delete(p.keeping, 0, 1)
		p.cfg.Waiting.n.Add(1)
		p.passSlot()
	}
}

// TryWait is Wait, but does nothing and returns false if too many workers wait already.
func (w *Worker) TryWait(wait func()) bool {
	p := w.pool
	if !p.cfg.Waiting.take() {
		return false
	}
	l := w.lane
	p.mu.Lock()
	if !p.passSlot() {
		p.busy--
	}
	if p.cfg.MaxPartitions > 0 {
		p.leaveTurn(l.set)
	}
	next, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(next, fresh)

	wait()

	p.mu.Lock()
	if p.cfg.MaxPartitions > 0 && !p.joinTurn(l.set, w) {
		next, fresh = p.wakeOne()
		p.mu.Unlock()
		p.rouse(next, fresh)
		<-w.wake // the turn has come, and counts this worker
		p.mu.Lock()
	}
	w.takeSlot()
	w.lane = l
	return true
}

// takeSlot takes a slot after a wait, and gives back the wait's place in the limit. It is called
// with mu held and unlocks it.
func (w *Worker) takeSlot() {
	p := w.pool
	if p.busy < p.slots {
		p.busy++
		p.mu.Unlock()
	} else {
		p.resume = append(p.resume, w)
		p.due.Add(1)
		p.draw()
		p.mu.Unlock()
		<-w.wake
	}
	p.cfg.Waiting.put()
}
