package stream

import (
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/lane"
)

// finish is what happens to an element at the end of the chain.
type finish func(w *worker, r *record)

// worker is what a stage builds for each goroutine: the compiled chain, with scratch space per
// step.
type worker struct {
	*lane.Worker // nil outside a pool
	stage        *stage
	group        uint64 // of the element at hand
	flush        map[*step]func(*part, uint64)
	// something of the task at hand was given up while its partition was closing
	left    bool
	slot    *slot                  // where results go that have to keep their order
	ordered func(*worker, held)    // passes such a result on
	cur     atomic.Pointer[record] // what it works on, to name it should it hang
	// what that waits for, or a call of it that was tried before; nil: neither
	held atomic.Pointer[hold]
	seen sighting
}

// sighting is what a look from outside has found a worker at, and when it first did. Guarded by
// run.crew.
type sighting struct {
	tp     TopicPartition
	epoch  int32
	offset int64
	since  time.Time
}

// holds notes what the element at hand waits for; nil: it goes on.
func (w *worker) holds(h *hold) {
	if w.Worker != nil { // others are seen by nobody
		w.held.Store(h)
	}
}

// waitFor is wait, and Explain sees what for.
func (w *worker) waitFor(h *hold, f func()) {
	w.holds(h)
	w.wait(f)
	w.holds(nil)
}

// wait runs f without holding a worker's slot.
func (w *worker) wait(f func()) {
	if w.Worker == nil {
		f()
		return
	}
	w.Worker.Wait(f)
}

// tryWait is wait, but where too many wait already it does nothing and returns false.
func (w *worker) tryWait(f func()) bool {
	if w.Worker == nil {
		f()
		return true
	}
	return w.Worker.TryWait(f)
}

// poison: what follows in the current lane must not be begun, since what is before it stays undone.
func (w *worker) poison() {
	if w.Worker != nil {
		w.left = true
		w.Worker.Poison()
	}
}

// stops reports whether an element must go no further in its worker: its partition is frozen or
// gone, its context has ended, or what was before it in its lane was given up while the partition
// was closing.
func (w *worker) stops(r *record) bool {
	stands := r.part.status()
	return stands != 0 && (r.dropped() || r.Err() != nil || stands.life() >= draining && w.Worker != nil && (w.left || w.Poisoned()))
}

// keyOf is the key's lane, known already where the worker's own stage has it.
func (w *worker) keyOf(r *record) uint64 {
	if sg := w.stage; sg != nil && sg.group == byKey && (sg.lanes == perGroup || sg.index > 0) {
		return w.group
	}
	return keyHash(r.key())
}

// noWorker is where elements go on outside a pool.
var noWorker = &worker{}
