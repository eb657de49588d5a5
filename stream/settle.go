package stream

import "slices"

// Some nodes keep elements back: a Batch until it is full, a Transform as long as its func likes, a commit until it is acknowledged. A partition has
// settled when none of its tasks is with a worker any more; then, if nothing more can come, what is kept back has to be asked for.

// starts counts tasks that go to the workers.
func (p *part) starts(n int) {
	p.moving.Add(int64(n)) // first: who sees nothing moving has the old count of stirs
	p.run.stirs.Add(1)
}

// ended counts a task that is through.
func (p *part) ended() { p.endedN(1) }

func (p *part) endedN(n int) {
	if p.moving.Add(-int64(n)) == 0 {
		p.run.settle(p)
	}
}

// settle flushes what a settled partition keeps back, one holder at a time and the uppermost first, if nothing more will come by itself: because
// it drains, because the source has no more, or because its budget is full.
func (r *run) settle(p *part) {
	if !r.counts || p.moving.Load() != 0 {
		return
	}
	state := r.state.Load()
	flags := p.flags.Load()
	if state&(draining|finishing) != 0 || flags&(closing|gone) != 0 || p.blocked() {
		for _, st := range r.batches {
			if st.batchOf(p).schedule() {
				return
			}
		}
	}
	r.dryOut()
}

// settleAll is settle for every partition, and for a run that has none.
func (r *run) settleAll() {
	for _, p := range r.all() {
		r.settle(p)
	}
	r.dryOut()
}

// blocked reports whether nothing more can come for now: the budget is full, or the source is halted.
func (p *part) blocked() bool {
	flags := p.flags.Load()
	if flags&^sealed != 0 {
		return false
	}
	n, _ := p.room()
	return n == 0
}

// dryOut ends the holders of a pipeline that ends, in chain order, each once everything above it has settled.
func (r *run) dryOut() {
	if !r.counts || r.state.Load()&(shut|finishing) == 0 {
		return
	}
	stirs := r.stirs.Load()
	all := slices.Concat(r.all(), r.fading())
	if anyMoving(all) {
		return // its last task comes here again
	}
	gates := r.plan.gated
	for _, st := range r.holders {
		if gates && r.plan.steps[st.node].below {
			if gates = false; r.gatesWait(all) || r.stirs.Load() != stirs {
				return // the last commit, or the last task, comes here again
			}
		}
		if d := st.stage.doorway; d != nil && d.st == st {
			d.shut()
			if !d.isThrough() || r.stirs.Load() != stirs {
				return // its end, or the last task, comes here again
			}
			continue
		}
		for _, p := range all {
			if st.batchOf(p).schedule() {
				return
			}
		}
	}
	if gates && r.gatesWait(all) || r.stirs.Load() != stirs {
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

func (r *run) gatesWait(ps []*part) bool {
	for _, p := range ps {
		if p.flags.Load()&gone == 0 && !p.gate.empty() {
			return true
		}
	}
	return false
}

// dryness is closed when everything that keeps elements back was emptied: what is not at rest then never will be.
func (r *run) dryness() <-chan struct{} { return r.dry }
