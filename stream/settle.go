package stream

import "slices"

// Some nodes hold elements back: a Batch until it is full, a Transform as long as its func likes,
// CommitBefore until the commit is acknowledged. A partition has settled when none of its tasks is
// queued or in work. If no more elements can come then, the held elements must be flushed.

// settle flushes a settled partition if no more elements come by themselves: it drains, the source
// is exhausted, or the budget is full. It flushes one holder at a time, the uppermost first, and
// the partition's tail after the partition.
func (r *run) settle(p *part) {
	if !r.counts {
		return
	}
	if p.moving.Load() != 0 || r.ends(p) && r.flush(p) {
		return
	}
	if t := p.tail; t != nil && (t.moving.Load() != 0 || r.ends(p) && r.flush(t)) {
		return
	}
	r.flushLast()
}

// ends reports whether no more records of the partition come, for now or for good.
func (r *run) ends(p *part) bool {
	return r.phase() != working || r.inlets[p.source].ended.Load() || p.status().life() != open || p.blocked()
}

// flush passes on the open batches of the first Batch step that has some of p, and returns false if
// none has. It asks Transforms that hold elements of p to send them, and does not wait for that,
// since they may not listen.
func (r *run) flush(p *part) bool {
	return slices.ContainsFunc(r.holders, func(st *step) bool {
		if d := st.stage.transform; d != nil && d.st == st {
			d.askFor(p)
			return false
		}
		return st.batchOf(p).schedule()
	})
}

// settleAll settles every partition. In a run without partitions it still ends the holders.
func (r *run) settleAll() {
	for _, p := range r.all() {
		r.settle(p)
	}
	for _, t := range r.leftTails() {
		r.settle(t.above)
	}
	r.flushLast()
}

// blocked reports whether no more records come for now, since the budget is full or the source is
// halted.
func (p *part) blocked() bool {
	if p.status()&^(sourceHalted|someParked) != 0 {
		return false
	}
	n, _ := p.room()
	return n == 0
}

// flushLast ends the holders at the end of the pipeline, in chain order. Each one ends once
// everything above it has settled.
func (r *run) flushLast() {
	if !r.counts || r.phase() != finishing && r.phase() != shut {
		return
	}
	stirs := r.stirs.Load()
	ps := r.all()
	if r.resuming() != nil || slices.ContainsFunc(ps, (*part).ending) {
		return // its end puts records back, and calls it again
	}
	tails := slices.Concat(tailsOf(ps), r.leftTails())
	if anyMoving(ps) || anyMoving(tails) {
		return // their last task calls it again
	}
	barriers := r.plan.hasTail()
	for _, st := range r.holders {
		holding := ps
		if r.plan.steps[st.node].below {
			if barriers && (barriersHold(ps) || r.stirs.Load() != stirs) {
				return // the last commit or the last task calls it again
			}
			barriers, holding = false, tails
		}
		if d := st.stage.transform; d != nil && d.st == st {
			if !r.closeFirst(ps, stirs) {
				return
			}
			d.shut()
			if !d.isThrough() || r.stirs.Load() != stirs {
				return // its end or the last task calls it again
			}
			continue
		}
		for _, p := range holding {
			if st.batchOf(p).schedule() {
				return
			}
		}
	}
	if barriers && barriersHold(ps) || r.stirs.Load() != stirs || !r.closeFirst(ps, stirs) {
		return // a holder seen empty may have been filled since
	}
	r.mu.Lock()
	if !r.isFlushed {
		r.isFlushed = true
		close(r.flushed)
	}
	r.mu.Unlock()
}

// closeFirst closes the first stage before what follows it ends: the end of a halt would put
// records back. It returns false if one is about to, and then flushLast is called again.
func (r *run) closeFirst(ps []*part, stirs int64) bool {
	r.closeMu.Lock()
	defer r.closeMu.Unlock()
	if !r.closing.Load() && (r.stirs.Load() != stirs || r.resuming() != nil || slices.ContainsFunc(ps, (*part).ending)) {
		return false
	}
	r.closing.Store(true)
	return true
}

func (r *run) restarts(f func()) {
	r.closeMu.Lock()
	defer r.closeMu.Unlock()
	if !r.closing.Load() {
		f()
	}
}

// mayResume reports whether halts may still end by themselves: that puts records back into the
// first stage.
func (r *run) mayResume() bool {
	ph := r.phase()
	return ph == working || ph == finishing && !r.closing.Load()
}

// resuming returns a channel that is closed once a halt that ends by itself has ended, or nil if
// there is none.
func (r *run) resuming() <-chan struct{} {
	if !r.mayResume() {
		return nil
	}
	for _, p := range r.all() {
		p.mu.Lock()
		hs := p.halts()
		open := p.status().life() == open
		p.mu.Unlock()
		for _, h := range hs {
			if open && !h.ResumeAt.IsZero() {
				return h.over
			}
		}
	}
	return nil
}

func anyMoving(ps []*part) bool {
	return slices.ContainsFunc(ps, func(p *part) bool { return p.moving.Load() != 0 })
}

func barriersHold(ps []*part) bool {
	for _, p := range ps {
		if !p.status().isReleased() && !p.barrier.empty() {
			return true
		}
	}
	return false
}
