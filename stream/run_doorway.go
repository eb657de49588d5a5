package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// doorBuffer is the capacity of a Transform's input, so that a worker need not wait for each
// element to be received.
const doorBuffer = 64

// doorway is a Transform in one run.
type doorway struct {
	st    *step
	push  any // push[T] of the stage above
	relay func()
	work  func(context.Context)
	pump  func()
	flush chan struct{} // capacity 1: asks f to send the elements it holds
	asks  atomic.Bool   // f reads flush
	ahead atomic.Int64  // elements that f has not received yet
	later atomic.Bool   // askFor may have found some of them, and is to be called again
	id    atomic.Int64  // of the goroutine of f
	gone  chan struct{} // closed when f has returned
	dry   chan struct{} // closed by shut

	mu    sync.Mutex // guards the fields below; nothing is called under it
	held  map[*doorTicket]struct{}
	asked bool // shut was called
	ended bool // f has returned and all its results are in the next stage
}

// askFor asks f to send the elements it holds, if it holds one of p and f reads flush.
func (d *doorway) askFor(p *part) {
	if !d.holds(p) {
		return
	}
	d.later.Store(true) // before ahead is read: either this sees 0, or received sees it
	if !d.asks.Load() || d.ahead.Load() > 0 {
		return
	}
	select {
	case d.flush <- struct{}{}:
	default:
	}
}

// received counts an element that f received or never will. After the last one, f can be asked to
// flush, for whichever partitions that was put off.
func (d *doorway) received() {
	if d.ahead.Add(-1) == 0 && d.later.CompareAndSwap(true, false) {
		d.st.exec.settleAll()
	}
}

// holds reports whether f holds an element of p.
func (d *doorway) holds(p *part) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.held {
		if !t.r.leaves(func(l *record) bool { return l.part != p }) {
			return true
		}
	}
	return false
}

// doorTicket is an element inside a Transform.
type doorTicket struct {
	door  *doorway
	r     *record
	group uint64

	// guarded by doorway.mu
	givenUp bool // by a halt or a revoke: f's use of it is ignored
	taken   bool // f makes other elements of it, which take its place: see take
}

func (d *doorway) admit(r *record, group uint64) *doorTicket {
	t := &doorTicket{door: d, r: r, group: group}
	d.mu.Lock()
	late := r.dropped() // under mu: giveUp runs after the status was set, so one of the two sees r
	if t.givenUp = late; !late {
		d.held[t] = struct{}{}
	}
	d.mu.Unlock()
	if late {
		r.abandon()
	}
	return t
}

// giveUp abandons the elements in f that belong to p alone and match.
func (d *doorway) giveUp(p *part, match func(*record) bool) {
	d.mu.Lock()
	ts := slices.DeleteFunc(d.of(p), func(t *doorTicket) bool { return t.taken || !match(t.r) })
	for _, t := range ts {
		t.givenUp = true
		delete(d.held, t)
	}
	d.mu.Unlock()
	for _, t := range ts {
		t.r.abandon()
	}
}

// of returns the elements in f that belong to p alone. The caller holds mu.
func (d *doorway) of(p *part) (ts []*doorTicket) {
	for t := range d.held {
		if t.r.leaves(func(l *record) bool { return l.part == p }) {
			ts = append(ts, t)
		}
	}
	return ts
}

func (t *doorTicket) isGivenUp() bool {
	t.door.mu.Lock()
	defer t.door.mu.Unlock()
	return t.givenUp
}

// use removes the element from those that f holds. It returns false if the caller must not use the
// element: f used it before, which ends the pipeline, or it was given up.
func (t *doorTicket) use() bool {
	ok := t.take()
	if ok {
		t.replaced()
	}
	return ok
}

// take is use, but the element stays among those that f holds until replaced is called. The
// elements made of it are admitted before that, so that no look finds neither.
func (t *doorTicket) take() bool {
	t.door.mu.Lock()
	_, ok := t.door.held[t]
	ok = ok && !t.taken
	givenUp := t.givenUp
	t.taken = t.taken || ok
	t.door.mu.Unlock()
	if !ok && !givenUp {
		t.door.st.exec.fail(fmt.Errorf("%s: the element of %v was used twice: end each Elem in exactly one of a send, Fork, Join, Drop or Fail [LW223]",
			t.door.st.name, t.r.meta()))
	}
	return ok
}

func (t *doorTicket) replaced() {
	t.door.mu.Lock()
	delete(t.door.held, t)
	t.door.mu.Unlock()
}

func (t *doorTicket) leave() {
	t.door.mu.Lock()
	_, ok := t.door.held[t]
	delete(t.door.held, t)
	t.door.mu.Unlock()
	if ok {
		t.r.abandon()
	}
}

// returned ends the pipeline if f failed or returned early.
func (d *doorway) returned(err error) {
	d.mu.Lock()
	asked := d.asked
	d.mu.Unlock()
	switch {
	case err != nil:
		d.st.exec.fail(fmt.Errorf("%s: %w", d.st.name, err))
	case !asked:
		d.st.exec.fail(fmt.Errorf("%s: returned before its input was closed: a Transform must receive until then [LW223]", d.st.name))
	}
}

// shut closes the input once. Call it when nothing above sends anymore.
func (d *doorway) shut() {
	d.mu.Lock()
	first := !d.asked
	d.asked = true
	d.mu.Unlock()
	if first {
		close(d.dry)
	}
}

// lost returns the elements that f neither passed on, dropped nor failed.
func (d *doorway) lost() []*doorTicket {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := make([]*doorTicket, 0, len(d.held))
	for t := range d.held {
		ts = append(ts, t)
	}
	return ts
}

// through notes that all results of f are in the next stage.
func (d *doorway) through() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
}

func (d *doorway) isThrough() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}
