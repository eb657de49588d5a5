package stream

import (
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// finish ends an element at the end of the chain.
type finish func(w *worker, r *record)

// worker is the state of one goroutine of a stage: the compiled chain and scratch space per step.
type worker struct {
	*lane.Worker // nil outside a pool
	stage        *stage
	group        uint64 // of the current element
	flush        map[*step]func(*part, uint64)
	left         bool                   // a drain gave up an element of the current task
	slot         *slot                  // takes the results of a KeepOrder step
	ordered      func(*worker, held)    // passes such a result on
	cur          atomic.Pointer[record] // the current record, to name it if the worker hangs
	// what the element waits for, or a call of it that failed before; nil: neither
	held atomic.Pointer[hold]
	seen sighting
	// see fails
	failing time.Duration
	stall   *stall
	stallOf *part
}

// sighting is the record that a worker was seen with from outside, and when it was first seen with
// it. Guarded by executor.workersMu.
type sighting struct {
	tp     TopicPartition
	epoch  int32
	offset int64
	since  time.Time
}

// holds notes what the current element waits for; nil: nothing.
func (w *worker) holds(h *hold) {
	if w.Worker != nil { // nothing looks at the others
		w.held.Store(h)
	}
}

// waitFor is wait, with the reason for Explain.
func (w *worker) waitFor(h *hold, f func()) {
	w.holds(h)
	w.wait(f)
	w.holds(nil)
}

// wait runs f without using a slot of the pool.
func (w *worker) wait(f func()) {
	if w.Worker == nil {
		f()
		return
	}
	w.Worker.Wait(f)
}

// waitTurn is like wait, for a rate. Those waits take half of MaxWaiting at most: beyond it, more
// that wait would not start sooner, while retries would hold the workers of other steps.
func (w *worker) waitTurn(f func()) {
	if w.Worker == nil {
		f()
		return
	}
	w.Worker.WaitWithin(&w.stage.exec.turns, f)
}

// tryWait is like wait, but returns false without running f if MaxWaiting is reached.
func (w *worker) tryWait(f func()) bool {
	if w.Worker == nil {
		f()
		return true
	}
	return w.Worker.TryWait(f)
}

// closeLane ends the current lane: none of its later elements may be started, since an earlier one
// stays unfinished.
func (w *worker) closeLane() {
	if w.Worker != nil {
		w.left = true
		w.Worker.CloseLane()
	}
}

// stops reports whether an element must not be processed further. Its partition is halted or
// released, its context has ended, or a drain gave up an earlier element of its lane.
func (w *worker) stops(r *record) bool {
	stands := r.part.status()
	return stands != 0 && (r.dropped() || r.Err() != nil || stands.life() >= draining && w.Worker != nil && (w.left || w.LaneClosed()))
}

// keyOf returns the lane of the record's key. The worker knows it if its own stage is grouped by
// key.
func (w *worker) keyOf(r *record) uint64 {
	if sg := w.stage; sg != nil && sg.group == byKey && (sg.lanes == perGroup || r.part.entry != sg.index) {
		return w.group
	}
	return keyHash(r.key())
}

// noWorker passes elements on outside a pool.
var noWorker = &worker{}
