package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// transformBuffer is the capacity of a Transform's input, so that a worker need not wait for each
// element to be received.
const transformBuffer = 64

// transform is a Transform in one run.
type transform struct {
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
	last  chan struct{} // closed by shut: no more elements come

	mu    sync.Mutex // guards the fields below; nothing is called under it
	held  map[*transformTicket]struct{}
	asked bool // shut was called
	ended bool // f has returned and all its results are in the next stage
}

// askFor asks f to send the elements it holds, if it holds one of p and f reads flush.
func (d *transform) askFor(p *part) {
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
func (d *transform) received() {
	if d.ahead.Add(-1) == 0 && d.later.CompareAndSwap(true, false) {
		d.st.exec.settleAll()
	}
}

// holds reports whether f holds an element of p.
func (d *transform) holds(p *part) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.held {
		if !t.r.sources(func(l *record) bool { return l.part != p }) {
			return true
		}
	}
	return false
}

// transformTicket is an element inside a Transform.
type transformTicket struct {
	transform *transform
	r         *record
	group     uint64

	// guarded by transform.mu
	givenUp bool // by a halt or a revoke: f's use of it is ignored
	taken   bool // f makes other elements of it, which take its place: see take
}

func (d *transform) admit(r *record, group uint64) *transformTicket {
	t := &transformTicket{transform: d, r: r, group: group}
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
func (d *transform) giveUp(p *part, match func(*record) bool) {
	d.mu.Lock()
	ts := slices.DeleteFunc(d.of(p), func(t *transformTicket) bool { return t.taken || !match(t.r) })
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
func (d *transform) of(p *part) (ts []*transformTicket) {
	for t := range d.held {
		if t.r.sources(func(l *record) bool { return l.part == p }) {
			ts = append(ts, t)
		}
	}
	return ts
}

func (t *transformTicket) isGivenUp() bool {
	t.transform.mu.Lock()
	defer t.transform.mu.Unlock()
	return t.givenUp
}

// use removes the element from those that f holds. It returns false if the caller must not use the
// element: f used it before, which ends the pipeline, or it was given up.
func (t *transformTicket) use() bool {
	ok := t.take()
	if ok {
		t.replaced()
	}
	return ok
}

// take is use, but the element stays among those that f holds until replaced is called. The
// elements made of it are admitted before that, so that no look finds neither.
func (t *transformTicket) take() bool {
	t.transform.mu.Lock()
	_, ok := t.transform.held[t]
	ok = ok && !t.taken
	givenUp := t.givenUp
	t.taken = t.taken || ok
	t.transform.mu.Unlock()
	if !ok && !givenUp {
		t.transform.st.exec.fail(fmt.Errorf("%s: the element of %v was used twice: end each Elem in exactly one of a send, Fork, Join, Drop or Fail [LW223]",
			t.transform.st.name, t.r.meta()))
	}
	return ok
}

func (t *transformTicket) replaced() {
	t.transform.mu.Lock()
	delete(t.transform.held, t)
	t.transform.mu.Unlock()
}

func (t *transformTicket) leave() {
	t.transform.mu.Lock()
	_, ok := t.transform.held[t]
	delete(t.transform.held, t)
	t.transform.mu.Unlock()
	if ok {
		t.r.abandon()
	}
}

// returned ends the pipeline if f failed or returned early.
func (d *transform) returned(err error) {
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
func (d *transform) shut() {
	d.mu.Lock()
	first := !d.asked
	d.asked = true
	d.mu.Unlock()
	if first {
		close(d.last)
	}
}

// lost returns the elements that f neither passed on, dropped nor failed.
func (d *transform) lost() []*transformTicket {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := make([]*transformTicket, 0, len(d.held))
	for t := range d.held {
		ts = append(ts, t)
	}
	return ts
}

// through notes that all results of f are in the next stage.
func (d *transform) through() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
}

func (d *transform) isThrough() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}
