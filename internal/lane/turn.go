package lane

import "slices"

// turn is a set's place in the rotation of MaxPartitions: only that many sets have tasks with the
// workers at a time. A set keeps its turn until it has nothing ready, or for turnRecords tasks
// while others wait. Guarded by Pool.mu.
type turn struct {
	active bool
	queued bool // in Pool.turns
	// unfinished lanes and loose tasks with the workers, and waits that rejoined
	out     int
	used    int       // tasks started in this turn
	waiting []*Task   // ready, but not this set's turn
	resume  []*Worker // finished waits, but not this set's turn
}

func (tn *turn) wants() bool { return len(tn.waiting) > 0 || len(tn.resume) > 0 }

// spent reports whether s must make room for another set.
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

// nextTurn gives free turns to the sets that have waited longest.
func (p *Pool) nextTurn() {
	for len(p.active) < p.cfg.MaxPartitions && len(p.turns) > 0 {
		s := p.turns[0]
		p.turns = p.turns[1:]
		s.turn.queued, s.turn.active, s.turn.used = false, true, 0
		p.active = append(p.active, s)
		p.release(s)
	}
}

// release passes the waiting tasks of s to the workers.
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

// rejoin lets finished waits continue.
func (tn *turn) rejoin() {
	tn.out += len(tn.resume)
	for _, w := range tn.resume {
		w.wake <- struct{}{} // has room: w waits on it in Wait and is in no other list
	}
	tn.resume = tn.resume[:0]
}

// noTurns lets finished waits continue once the pool is closed: the sets that have the turn may
// have tasks but no worker left to run them.
func (p *Pool) noTurns() {
	for _, sets := range [][]*Set{p.active, p.turns} {
		for _, s := range sets {
			s.turn.rejoin()
		}
	}
}

// settle ends the turn of s once the workers have none of its tasks.
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

// runInTurn is runLane for a pool whose sets take turns. It counts every task, and leaves the rest
// of the lane to the set's next turn when this turn is spent.
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
		if t = last.unlink(); w.pool.due.Load() > 0 {
			w.requeue(t) // it stays with the workers, and so in the turn
			return
		}
	}
}

// startInTurn counts a task about to run. It returns false if the set's turn is spent.
func (w *Worker) startInTurn(s *Set) bool {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	if w.pool.spent(s) {
		return false
	}
	s.turn.used++
	return true
}

// endInTurn reports the end of a lane or a loose task. If rest is not nil, the lane continues there
// in the set's next turn.
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

// leaveTurn takes a waiting worker out of its set's turn. joinTurn lets it rejoin: it returns true
// to continue now, false to wait for the turn. A closed pool has no more turns.
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
