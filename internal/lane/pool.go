package lane

import (
	"sync"
	"sync/atomic"
)

const (
	// tasks that a partition may start in one turn while others wait (MaxPartitions)
	turnRecords = 1000
	keepIdle    = 256 // idle goroutines that a pool keeps
)

// Config configures a Pool.
type Config struct {
	// workers at a time; 0: one per ready lane. See Pool.SetSlots
	Slots         int
	MaxPartitions int // sets running at a time; 0: all
	// above 0: a worker takes up to that many tasks of a lane in one call
	Bulk int
	// called once per worker, if Bulk is above 0
	Work func(w *Worker) func(ts []*Task)
	One  func(w *Worker) func(t *Task) // called once per worker, if Bulk is 0
	Go   func(func())                  // starts a goroutine that the owner waits for
	// optional: called when a worker runs out of work, and whether the worker is discarded; called
	// under a lock
	Idle func(w *Worker, gone bool)
	// optional: called with a finished task that nothing refers to; called under a lock
	Free    func(t *Task)
	Count   bool   // count queued tasks, for Set.Full
	Waiting *Limit // how many workers may wait without a slot
}

// Pool holds the workers of one stage and the tasks ready for them.
//
// A slot is the right to run; busy counts the slots in use. The pool is work-conserving: while a
// task is ready and a slot is free, a wake-up is pending (waking). At most one is pending: the
// woken worker wakes the next one after it has found work, so a burst of tiny tasks does not wake
// all workers.
type Pool struct {
	cfg   Config
	ready ready

	// mu guards the fields below, and all of ready but its round. It is never held across a
	// blocking send.
	mu      sync.Mutex
	slots   int
	busy    int // above slots after SetSlots, until that many tasks have ended
	waking  bool
	idle    []*Worker // without a slot, each waiting on its wake
	spare   []*Worker // without a goroutine
	resume  []*Worker // waiting for a slot after Wait
	keeping []*Worker // in Wait with their slot, since too many wait
	closed  bool
	turns   []*Set // sets waiting for their turn (MaxPartitions)
	active  []*Set // sets whose turn it is
	// how many workers are to give up their slot after the current task: len(resume), and what busy is
	// above slots; readable without the lock
	due atomic.Int32
}

// NewPool returns a pool without goroutines. They start when there is work.
func NewPool(cfg Config) *Pool {
	p := &Pool{cfg: cfg, slots: cfg.Slots}
	if p.slots <= 0 {
		p.slots = 1 << 30
	}
	p.ready.init(p.slots)
	return p
}

// Close ends the idle workers; the others end when they run out of work. Tasks put after Close
// never run.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.noTurns()
	p.mu.Unlock()
	for _, w := range idle {
		w.wake <- struct{}{}
	}
}

// publish makes tasks of s ready. The caller holds s.mu.
func (p *Pool) publish(s *Set, ts []*Task) {
	p.mu.Lock()
	if p.cfg.MaxPartitions > 0 {
		p.publishInTurn(s, ts)
	} else {
		p.ready.push(s, ts...)
	}
	w, fresh := p.wakeOne()
	p.mu.Unlock()
	p.rouse(w, fresh)
}

// wakeOne takes a slot for one more worker if there is work that no worker is about to take. It
// returns the worker to rouse after mu is released, and whether that worker needs a goroutine. The
// caller holds mu.
func (p *Pool) wakeOne() (w *Worker, fresh bool) {
	if p.waking || p.closed || p.busy >= p.slots || p.ready.empty() {
		return nil, false
	}
	p.waking = true
	p.busy++
	if n := len(p.idle); n > 0 {
		w = p.idle[n-1]
		p.idle = p.idle[:n-1]
		w.waker = true
		return w, false
	}
	if n := len(p.spare); n > 0 {
		w = p.spare[n-1]
		p.spare = p.spare[:n-1]
	} else {
		w = p.newWorker()
	}
	w.waker = true
	return w, true
}

func (p *Pool) rouse(w *Worker, fresh bool) {
	switch {
	case w == nil:
	case fresh:
		p.cfg.Go(w.loop)
	default:
		w.wake <- struct{}{} // has room for one, and an idle or resuming worker is woken once
	}
}

// Limit bounds how many workers may wait without a slot, over all pools that share it.
type Limit struct {
	Max int32
	n   atomic.Int32
}

func (l *Limit) take() bool {
	if l.n.Add(1) > l.Max {
		l.n.Add(-1)
		return false
	}
	return true
}

func (l *Limit) put() { l.n.Add(-1) }

// Taken returns how many are waiting.
func (l *Limit) Taken() int { return int(l.n.Load()) }
