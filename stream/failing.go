package stream

import "time"

// What a worker knows of an element that fails for long: see stall.go.

// stallsAfter is how long an element fails before its lane stalls. A lane cannot stall more often
// than once in that time, so it is not set aside, and read again, more often either.
const stallsAfter = time.Second

// fails notes that the worker's element has failed and waits for d. If it has failed for long by
// then, its lane stalls until the task ends.
func (w *worker) fails(r *record, d time.Duration) {
	if w.Worker == nil {
		return
	}
	if w.failing == 0 {
		w.failing = clock()
	}
	sg := w.stage
	if w.stall == nil && d >= stallsAfter-(clock()-w.failing) && r.part.asides.able && sg.lanes == perGroup && sg.group == byKey {
		w.stall, w.stallOf = r.part.stalls(r.meta(), sg.index, w.Lane()), r.part
	}
}

// stalled runs the wait before an attempt. If the lane stalls, it may be set aside meanwhile.
func (w *worker) stalled(wait func()) {
	if w.stall == nil {
		wait()
		return
	}
	w.Worker.Stall(func() {
		w.stallOf.changed()
		wait()
	})
}

// ended ends what fails has begun, at the end of a task.
func (w *worker) ended() {
	if w.failing != 0 {
		w.movesOn()
	}
}

func (w *worker) movesOn() {
	w.failing = 0
	if s := w.stall; s != nil {
		w.stall = nil
		w.stallOf.movesOn(s)
	}
}

// stalls notes that a worker's lane stalls.
func (p *part) stalls(first Meta, stage int, lane uint64) *stall {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asides.stalled.add(first, stage, lane)
}

// movesOn notes that a worker's lane moves on.
func (p *part) movesOn(s *stall) {
	p.mu.Lock()
	p.asides.stalled.end(s)
	p.mu.Unlock()
	p.wakeReadBack()
}
