package stream

import "slices"

// Some nodes keep elements back: a Batch until it is full, a Transform as long as its func likes, a
// commit until it is acknowledged. A partition has settled when none of its tasks is with a worker
// any more; then, if nothing more can come, what is kept back has to be asked for.

// starts counts tasks that go to the workers.
func (r *run) starts(p *part, n int) {
	p.moving.Add(int64(n)) // first: who sees nothing moving has the old count of stirs
	r.stirs.Add(1)
}

// ended counts a task that is through.
func (p *part) ended() { p.endedN(1) }

func (p *part) endedN(n int) {
	if p.moving.Add(-int64(n)) == 0 {
		p.changed()
	}
}

// settle flushes what a settled partition keeps back, one holder at a time and the uppermost first,
// if nothing more will come by itself: because it drains, because the source has no more, or
// because its budget is full. Its tail comes after it.
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
	r.dryOut()
}

// ends reports whether nothing more comes to what the partition keeps back, for now or for good.
func (r *run) ends(p *part) bool {
	return r.phase() != working || p.status().life() != open || p.blocked()
}

// flush has the first batch that holds something of p passed on; false: none does. Transforms that
// hold something of it are asked for that, and not waited for: they may not listen.
func (r *run) flush(p *part) bool {
	return slices.ContainsFunc(r.holders, func(st *step) bool {
		if d := st.stage.doorway; d != nil && d.st == st {
			d.askFor(p)
			return false
		}
		return st.batchOf(p).schedule()
	})
}

// settleAll is settle for every partition, and for a run that has none.
func (r *run) settleAll() {
	for _, p := range r.all() {
		r.settle(p)
	}
	for _, t := range r.leftTails() {
		r.settle(t.above)
	}
	r.dryOut()
}

// blocked reports whether nothing more can come for now: the budget is full, or the source is
// halted.
func (p *part) blocked() bool {
	if p.status()&^sourceHalted != 0 {
		return false
	}
	n, _ := p.room()
	return n == 0
}

// dryOut ends the holders of a pipeline that ends, in chain order, each once everything above it
// has settled.
func (r *run) dryOut() {
	if !r.counts || r.phase() != finishing && r.phase() != shut {
		return
	}
	stirs := r.stirs.Load()
	ps := r.all()
	tails := slices.Concat(tailsOf(ps), r.leftTails())
	if anyMoving(ps) || anyMoving(tails) {
		return // its last task comes here again
	}
	gates := r.plan.hasTail()
	for _, st := range r.holders {
		holding := ps
		if r.plan.steps[st.node].below {
			if gates && (gatesWait(ps) || r.stirs.Load() != stirs) {
				return // the last commit, or the last task, comes here again
			}
			gates, holding = false, tails
		}
		if d := st.stage.doorway; d != nil && d.st == st {
			d.shut()
			if !d.isThrough() || r.stirs.Load() != stirs {
				return // its end, or the last task, comes here again
			}
			continue
		}
		for _, p := range holding {
			if st.batchOf(p).schedule() {
				return
			}
		}
	}
	if gates && gatesWait(ps) || r.stirs.Load() != stirs {
		return // what was seen empty may have been filled, and emptied, behind our back
	}
	r.mu.Lock()
	if !r.dried {
		r.dried = true
		close(r.dry)
	}
	r.mu.Unlock()
}

func anyMoving(ps []*part) bool {
	return slices.ContainsFunc(ps, func(p *part) bool { return p.moving.Load() != 0 })
}

func gatesWait(ps []*part) bool {
	for _, p := range ps {
		if !p.status().isReleased() && !p.gate.empty() {
			return true
		}
	}
	return false
}

// dryness is closed when everything that keeps elements back was emptied: what is not at rest then
// never will be.
func (r *run) dryness() <-chan struct{} { return r.dry }
