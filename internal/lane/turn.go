package lane

import "slices"

// turn is a set's place in the rotation of MaxPartitions: at most so many sets have tasks with the
// workers at a time. A set keeps its turn until it has nothing ready, or for turnRecords tasks
// while others wait. Guarded by Pool.mu.
type turn struct {
	active bool
	queued bool // in Pool.turns
	// lanes and loose tasks handed to the workers and not yet through, and waits that took part
	// again
	out     int
	used    int       // tasks started in this turn
	waiting []*Task   // ready, but it is not this set's turn
	resume  []*Worker // waits that are over, but it is not this set's turn
}

func (tn *turn) wants() bool { return len(tn.waiting) > 0 || len(tn.resume) > 0 }

// spent reports whether s has to make room for another set.
func (p *Pool) spent(s *Set) bool { return s.turn.used >= turnRecords && len(p.turns) > 0 }

func (p *Pool) publishInTurn(s *Set, ts []*Task) {
	tn := &s.turn
	if tn.active && !p.spent(s) {
		p.ready.push(s, ts...)
		tn.out += len(ts)
		return
	}
	tn.waiting = append(tn.waiting, ts...)
	p.queueTurn(s)
	p.nextTurn()
}

func (p *Pool) queueTurn(s *Set) {
	if !s.turn.active && !s.turn.queued {
		s.turn.queued = true
		p.turns = append(p.turns, s)
	}
}

// nextTurn gives free turns to the sets that wait longest.
func (p *Pool) nextTurn() {
	for len(p.active) < p.cfg.MaxPartitions && len(p.turns) > 0 {
		s := p.turns[0]
		p.turns = p.turns[1:]
		s.turn.queued, s.turn.active, s.turn.used = false, true, 0
		p.active = append(p.active, s)
		p.release(s)
	}
}

// release hands what s has waiting to the workers.
func (p *Pool) release(s *Set) {
	tn := &s.turn
	if len(tn.waiting) > 0 {
		p.ready.push(s, tn.waiting...)
	}
	tn.out += len(tn.waiting)
	clear(tn.waiting)
	tn.waiting = tn.waiting[:0]
	tn.rejoin()
}

// rejoin lets the waits that are over take part again.
func (tn *turn) rejoin() {
	tn.out += len(tn.resume)
	for _, w := range tn.resume {
		w.wake <- struct{}{} // has room: w waits on it in Wait and is in no other list
	}
	tn.resume = tn.resume[:0]
}

// noTurns lets everybody go on who waits for a turn, once the pool is closed: whoever has it may
// have nobody left to work on what it was handed.
func (p *Pool) noTurns() {
	for _, sets := range [][]*Set{p.active, p.turns} {
		for _, s := range sets {
			s.turn.rejoin()
		}
	}
}

// settle ends the turn of s when nothing of it is with the workers any more.
func (p *Pool) settle(s *Set) {
	tn := &s.turn
	if !tn.active || tn.out > 0 {
		return
	}
	if tn.wants() && len(p.turns) == 0 {
		tn.used = 0
		p.release(s)
		return
	}
	tn.active = false
	p.active = slices.DeleteFunc(p.active, func(other *Set) bool { return other == s })
	if tn.wants() {
		p.queueTurn(s)
	}
	p.nextTurn()
}

// runInTurn is runLane for a pool whose sets take turns: every task is counted, and the lane goes
// on in its set's next turn when this one is spent.
func (w *Worker) runInTurn(t *Task) {
	l := t.lane
	for {
		if !w.startInTurn(l.set) {
			w.endInTurn(l.set, t)
			return
		}
		last, k := w.step(t, 1)
		if l.loose || l.n.Add(-k) == 0 {
			w.endInTurn(l.set, nil)
			return
		}
		t = last.unlink()
	}
}

// startInTurn counts a task that is about to be worked on; false: its set's turn is spent.
func (w *Worker) startInTurn(s *Set) bool {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if w.pool.spent(s) {
		return false
	}
	s.turn.used++
	return true
}

// endInTurn says that a lane or a loose task is through, or goes on at rest of the lane in its
// set's next turn.
func (w *Worker) endInTurn(s *Set, rest *Task) {
	p := w.pool
	p.mu.Lock()
	s.turn.out--
	if rest != nil {
		s.turn.waiting = append(s.turn.waiting, rest)
	}
	p.settle(s)
	next, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(next, fresh)
}

// leaveTurn: a wait does not keep its set's turn. joinTurn: it takes part again, now (true) or when
// the turn comes round; it comes no more in a closed pool.
func (p *Pool) leaveTurn(s *Set) {
	s.turn.out--
	p.settle(s)
}

func (p *Pool) joinTurn(s *Set, w *Worker) bool {
	if p.closed || s.turn.active && !p.spent(s) {
		s.turn.out++
		return true
	}
	s.turn.resume = append(s.turn.resume, w)
	p.queueTurn(s)
	p.nextTurn()
	return false
}
