package lane

import "sync/atomic"

// Worker is one goroutine of a pool and the handler built for it. Except for Running and Goroutine,
// its methods are for code that runs on the worker.
type Worker struct {
	pool  *Pool
	wake  chan struct{} // room for one; never closed
	one   func(*Task)
	bulk  func([]*Task)
	buf   []*Task
	lane  *Lane // of the current task
	task  *Task // the current task, or the last one of several
	cut   bool  // Cut has shortened the lane during the current task; guarded by Set.mu
	pace  pace
	waker bool // woken by wakeOne, and has not found work yet
	on    atomic.Bool
	id    atomic.Int64 // see Goroutine
}

func (p *Pool) newWorker() *Worker {
	w := &Worker{pool: p, wake: make(chan struct{}, 1)}
	if p.cfg.Bulk > 0 {
		w.bulk = p.cfg.Work(w)
	} else {
		w.one = p.cfg.One(w)
	}
	return w
}

// Running reports whether the worker has a goroutine. After Close, such a worker is running a task.
// Any goroutine may call it.
func (w *Worker) Running() bool { return w.on.Load() }

// Goroutine returns the id of the worker's goroutine, or of its last one. Any goroutine may call
// it.
func (w *Worker) Goroutine() int64 { return w.id.Load() }

// Lane returns the id of the current lane, 0 for a loose task.
func (w *Worker) Lane() uint64 {
	return w.lane.ID
}

// CloseLane closes the current lane: its later tasks must not run. They find out by LaneClosed.
func (w *Worker) CloseLane() {
	if !w.lane.loose {
		w.lane.dead.Store(true)
	}
}

// LaneClosed reports whether the current lane is closed.
func (w *Worker) LaneClosed() bool { return w.lane.dead.Load() }

// loop runs tasks until there are none. It holds a slot except while it waits on wake.
func (w *Worker) loop() {
	w.id.Store(Goroutine())
	w.on.Store(true)
	defer w.on.Store(false)
	p := w.pool
	for {
		t := p.ready.pop()
		if t == nil {
			p.mu.Lock()
			if t = p.ready.next(); t == nil { // pushes hold mu, so this look is final
				if w.rest() {
					return
				}
				continue
			}
			p.mu.Unlock()
		}
		if w.waker {
			w.passOn()
		}
		w.run(t)
		if p.due.Load() > 0 && w.handOver() {
			return
		}
	}
}

// passOn lets the next worker be woken after this one has found work.
func (w *Worker) passOn() {
	p := w.pool
	w.waker = false
	p.mu.Lock()
	p.waking = false
	next, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(next, fresh)
}

// rest gives up the slot and waits to be woken. It is called with mu held, unlocks it, and reports
// whether the goroutine should end.
func (w *Worker) rest() (end bool) {
	p := w.pool
	if w.waker {
		w.waker = false
		p.waking = false
	}
	if !p.passSlot() { // a wait may have ended since handOver looked
		p.busy--
	}
	return w.idle()
}

// idle waits to be woken, or ends the goroutine if enough workers wait. It is called with mu held
// and unlocks it.
func (w *Worker) idle() (end bool) {
	p := w.pool
	w.lane, w.task = nil, nil
	if p.closed || len(p.idle) >= keepIdle {
		gone := len(p.spare) >= keepIdle
		p.tellIdle(w, gone) // before another goroutine can reuse the worker
		if !gone {
			p.spare = append(p.spare, w)
		}
		p.mu.Unlock()
		return true
	}
	p.tellIdle(w, false)
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	<-w.wake
	p.mu.Lock()
	end = p.closed && !w.waker
	p.mu.Unlock()
	return end
}

func (p *Pool) tellIdle(w *Worker, gone bool) {
	if p.cfg.Idle != nil {
		p.cfg.Idle(w, gone)
	}
}

// handOver passes the slot on if it is to, and idles this worker then.
func (w *Worker) handOver() (end bool) {
	p := w.pool
	p.mu.Lock()
	if !p.passSlot() {
		p.mu.Unlock()
		return false
	}
	return w.idle()
}

// run runs a task and, if it heads a lane, the tasks after it.
func (w *Worker) run(t *Task) {
	l := t.lane
	w.lane = l
	switch {
	case w.pool.cfg.MaxPartitions > 0:
		w.runInTurn(t)
	case l.loose:
		w.step(t, 1)
		w.pool.free(t)
	default:
		w.runLane(l, t)
	}
}

// runLane runs a lane until it is idle, has used its share while other lanes wait, or has to give
// up its slot. It lowers n in lots, by the tasks that n showed to be linked.
func (w *Worker) runLane(l *Lane, t *Task) {
	for ran := int32(0); ; {
		known, k := l.n.Load(), int32(0)
		for {
			var n int32
			t, n = w.step(t, known-k)
			if w.cut {
				w.cut, known = false, l.n.Load()
			}
			if k += n; k == known || w.yields(ran+k) {
				break
			}
			t = w.follow(t)
		}
		w.pace.count(k)
		if l.n.Add(-k) == 0 {
			return
		}
		t = w.follow(t)
		if ran += k; w.yields(ran) {
			w.requeue(t)
			return
		}
	}
}

// follow returns the task after a finished one.
func (w *Worker) follow(done *Task) *Task {
	next := done.unlink()
	w.pool.free(done)
	return next
}

// free returns a finished task to its owner; nil is ignored.
func (p *Pool) free(done *Task) {
	if free := p.cfg.Free; free != nil && done != nil {
		free(done)
	}
}

// yields reports whether a lane that ran that many tasks in a row must make way.
func (w *Worker) yields(ran int32) bool {
	return w.pool.due.Load() > 0 || !w.pace.allows(ran) && !w.lane.set.first.Load() && !w.pool.ready.empty()
}

// step runs one task or, with Bulk, as many tasks of its lane as are known to be linked. It returns
// the last of them.
func (w *Worker) step(t *Task, known int32) (last *Task, took int32) {
	s := t.lane.set
	if w.bulk == nil {
		if w.pool.cfg.Count {
			s.began(1)
		}
		w.task = t
		w.one(t)
		return t, 1
	}
	ts := append(w.buf[:0], t)
	for most := min(known, int32(w.pool.cfg.Bulk)); int32(len(ts)) < most; {
		t = t.unlink()
		ts = append(ts, t)
	}
	k := int32(len(ts))
	if w.pool.cfg.Count {
		s.began(k)
	}
	w.task = t
	w.bulk(ts)
	for _, done := range ts[:k-1] {
		w.pool.free(done) // the last one still links to the next
	}
	clear(ts)
	w.buf = ts[:0]
	return t, k
}

// requeue puts an unfinished lane at the end of the queue, so that others can run.
func (w *Worker) requeue(t *Task) {
	p := w.pool
	p.mu.Lock()
	p.ready.push(t.lane.set, t)
	next, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(next, fresh)
}
