package stream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// doorBuffer is how many elements wait in a Transform's input at most: enough to spare a worker the
// wait for each hand-over.
const doorBuffer = 64

// doorway is a Transform in one run.
type doorway struct {
	st    *step
	push  any // push[T] of the stage above
	relay func()
	work  func(context.Context)
	pump  func()
	flush chan struct{} // room for one: f is to send what it holds
	asks  atomic.Bool   // f listens to flush
	ahead atomic.Int64  // elements that f has still to receive
	id    atomic.Int64  // of f's goroutine
	gone  chan struct{} // closed when f has returned
	dry   chan struct{} // closed by shut

	mu    sync.Mutex // guards what follows; nothing is called under it
	held  map[*doorTicket]struct{}
	asked bool // closeIn was called
	ended bool // f has returned and everything it sent is below
}

// askFor asks f to send what it holds, if that is something of p and f listens.
func (d *doorway) askFor(p *part) {
	if !d.asks.Load() || d.ahead.Load() > 0 || !d.holds(p) {
		return // received looks again
	}
	select {
	case d.flush <- struct{}{}:
	default:
	}
}

// received counts an element that f has, or will not have. After the last of them f can be asked.
func (d *doorway) received(p *part) {
	if d.ahead.Add(-1) == 0 && d.asks.Load() {
		p.changed()
	}
}

// holds reports whether f holds something of p.
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

	givenUp bool // by a halt or a revoke: what f does with it is ignored; guarded by the door's mu
}

func (d *doorway) admit(r *record, group uint64) *doorTicket {
	t := &doorTicket{door: d, r: r, group: group}
	d.mu.Lock()
	late := r.dropped() // under mu: giveUp comes after the flag
	if t.givenUp = late; !late {
		d.held[t] = struct{}{}
	}
	d.mu.Unlock()
	if late {
		r.abandon()
	}
	return t
}

// giveUp gives back what f holds of p alone.
func (d *doorway) giveUp(p *part) {
	d.mu.Lock()
	ts := d.of(p)
	for _, t := range ts {
		t.givenUp = true
		delete(d.held, t)
	}
	d.mu.Unlock()
	for _, t := range ts {
		t.r.abandon()
	}
}

// of is what f holds of p alone. The caller holds mu.
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

// use takes the element out of the door, once; a second time ends the pipeline, and the caller does
// nothing more with it.
func (t *doorTicket) use() bool {
	t.door.mu.Lock()
	_, ok := t.door.held[t]
	givenUp := t.givenUp
	delete(t.door.held, t)
	t.door.mu.Unlock()
	if !ok && !givenUp {
		t.door.st.run.fail(fmt.Errorf("%s: the element of %v was used twice: end each Elem in exactly one of a send, Fork, Join, Drop or Fail",
			t.door.st.name, t.r.meta()))
	}
	return ok
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

// returned looks at how f ended.
func (d *doorway) returned(err error) {
	d.mu.Lock()
	asked := d.asked
	d.mu.Unlock()
	switch {
	case err != nil:
		d.st.run.fail(fmt.Errorf("%s: %w", d.st.name, err))
	case !asked:
		d.st.run.fail(fmt.Errorf("%s: returned before its input was closed: a Transform receives until then", d.st.name))
	}
}

// shut closes the input, once. It is called when nothing above sends any more.
func (d *doorway) shut() {
	d.mu.Lock()
	first := !d.asked
	d.asked = true
	d.mu.Unlock()
	if first {
		close(d.dry)
	}
}

// lost is what f neither passed on, dropped nor failed.
func (d *doorway) lost() []*doorTicket {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := make([]*doorTicket, 0, len(d.held))
	for t := range d.held {
		ts = append(ts, t)
	}
	return ts
}

// through notes that everything that f sent is below.
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

// What a Transform holds of a partition that has to come to rest.

// doorPatience is how long a revoke lets a Transform go without ending an element of the partition:
// it is not told, and may wait for what will not come.
const doorPatience = time.Second

// giveUpInside gives back what Transforms hold of the partition.
func (r *run) giveUpInside(p *part) {
	for _, sg := range r.stages {
		if sg.doorway != nil {
			sg.doorway.giveUp(p)
		}
	}
}

// inside is how many elements of the partition are in Transforms.
func (r *run) inside(p *part) (n int) {
	for _, sg := range r.stages {
		if d := sg.doorway; d != nil {
			d.mu.Lock()
			n += len(d.of(p))
			d.mu.Unlock()
		}
	}
	return n
}

// calmDown waits until nothing of the partitions is held, or ctx ends. A drain of the whole
// pipeline ends the Transforms; where only some partitions go, those get no more of them, and are
// waited for with doorPatience.
func (r *run) calmDown(ctx context.Context, ps []*part) bool {
	before := map[*part]int{}
	for ctx.Err() == nil && r.phase() == working {
		held := false
		for _, p := range ps {
			n := r.inside(p)
			if last, seen := before[p]; seen && n == last && n > 0 && p.moving.Load() == 0 {
				r.giveUpInside(p)
				n = 0
			}
			before[p] = n
			held = held || n > 0 || p.moving.Load() > 0
		}
		if !held {
			break
		}
		c, cancel := context.WithTimeout(ctx, doorPatience)
		calm := r.await(c, ps, (*part).calm)
		cancel()
		if calm {
			return true
		}
	}
	return r.await(ctx, ps, (*part).calm)
}
