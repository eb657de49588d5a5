package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// doorBuffer is how many elements wait in a Transform's input at most: enough to spare a worker the wait for each hand-over.
const doorBuffer = 64

// Elem is an element with its acknowledgement. Each one taken from a Transform's input must end in exactly one of: sent to its output (as it is, or
// With another value), Fork, Join, Drop or Fail. One used twice ends the pipeline; one that is not used is found and named when it drains.
type Elem[T any] struct {
	Value T
	t     *doorTicket
}

// With is the element with another value.
func (e Elem[T]) With[U any](v U) Elem[U] { return Elem[U]{v, e.t} }

// Fork is 1→n: the record is done when all n are; none: it is done.
func (e Elem[T]) Fork(n int) []Elem[T] {
	es := make([]Elem[T], n)
	if !e.t.use() {
		for i := range es {
			es[i] = e
		}
		return es
	}
	for i := range es {
		e.t.r.retain()
		es[i] = Elem[T]{e.Value, e.t.door.admit(e.t.r, e.t.group)}
	}
	e.t.r.done()
	return es
}

// Join is n→1: all are done when the one is. Its value is the first's; MetasOf shows them all.
func (e Elem[T]) Join(more ...Elem[T]) Elem[T] {
	j := &joint{subset: func(any, []int) (any, bool) { return nil, false }}
	var part *part // the first one: its end is the end of the joined element
	mixed := false
	for _, m := range append([]Elem[T]{e}, more...) {
		if !m.t.use() {
			continue
		}
		j.members = append(j.members, m.t.r)
		if part == nil {
			part = m.t.r.part
		} else if m.t.r.part != part {
			mixed = true
		}
	}
	if len(j.members) == 0 {
		return e
	}
	j.holds.Store(1)
	j.mixed = mixed
	if run := part.run; mixed && part.tail != nil {
		j.abandoned.Store(true)
		run.fail(fmt.Errorf("%s: joined elements of different partitions above %s, which cannot wait for its commits: join within a partition, or commit below the work",
			e.t.door.st.name, run.plan.commit.word))
	}
	return Elem[T]{e.Value, e.t.door.admit(jointRecord(part, j), e.t.group)}
}

// Drop says that nothing more is to be done for the element: it is done.
func (e Elem[T]) Drop() {
	if e.t.use() {
		e.t.r.done()
	}
}

// Fail fails the element at this step: the policies below decide, except that nothing can be retried.
func (e Elem[T]) Fail(err error) {
	if !e.t.use() {
		return
	}
	if err == nil {
		err = errors.New("failed without an error")
	}
	e.t.door.st.failed(noWorker, e.t.r, 1, 0, err, func() any { return e.Value })
}

// Transform is the channel-level door: real Go channels, for operators that no Pipe can express. f gets the elements of all partitions, in the order
// of their lanes, and sends on what becomes of them; order below is the order in which it sends. It must receive until in is closed, which happens
// when the pipeline drains and everything above is through; then send what it still has and return. It must not close out, nor send after it
// returned. ctx ends when the drain has run out of time. An error, a panic, or a return before in is closed ends the pipeline. Elements of a
// partition that was revoked or halted meanwhile may be passed on or not; they no longer count: a halt gives them up at once, a revoke when
// f has ended none of them for a second. What was joined across partitions is waited for. Costs three goroutines and a buffer of 64 elements.
func (s Stream[T]) Transform[U any](name string, f func(ctx context.Context, in <-chan Elem[T], out chan<- Elem[U]) error) Stream[U] {
	return then[T, U](s, &node{kind: kindTransform, word: "Transform", name: name, nilFunc: f == nil, opts: stepOptions{name: name, named: true},
		door: func(st *step, to *stage) *doorway {
			d := &doorway{st: st, held: map[*doorTicket]struct{}{}, gone: make(chan struct{}), dry: make(chan struct{})}
			raw, in, out := make(chan Elem[T], doorBuffer), make(chan Elem[T]), make(chan Elem[U])
			d.push = push[T](func(w *worker, r *record, v *T) {
				e := Elem[T]{*v, d.admit(r, w.group)}
				select {
				case raw <- e:
					return
				default:
				}
				w.lend(func() {
					select {
					case raw <- e:
					case <-d.gone: // f has returned: the pipeline is ending
						e.t.leave()
					case <-r.Done():
						e.t.leave()
					}
				})
			})
			d.relay = func() { // the one that sends on in, and so the one that closes it
				defer close(in)
				for {
					select {
					case e := <-raw:
						if e.t.isGivenUp() {
							continue
						}
						select {
						case in <- e:
						case <-d.gone:
							e.t.leave()
						}
					case <-d.dry:
						if len(raw) == 0 {
							return
						}
					}
				}
			}
			d.work = func(ctx context.Context) {
				err := errEnded
				defer func() {
					close(d.gone)
					close(out)
					d.returned(err)
				}()
				err = guarded(func() error { return f(ctx, in, out) })
			}
			d.pump = func() {
				w := &worker{}
				pass := typeOf[U]{}.boundary(w, to).(push[U])
				for e := range out {
					if e.t == nil {
						st.run.fail(fmt.Errorf("%s: sent an Elem that it did not get from its input, nor from With, Fork or Join", st.name))
						continue
					}
					if e.t.use() {
						w.group = e.t.group
						pass(w, e.t.r, &e.Value)
					}
				}
			}
			return d
		}})
}

// doorway is a Transform in one run.
type doorway struct {
	st    *step
	push  any // push[T] of the stage above
	relay func()
	work  func(context.Context)
	pump  func()
	gone  chan struct{} // closed when f has returned
	dry   chan struct{} // closed by shut

	mu    sync.Mutex // guards what follows; nothing is called under it
	held  map[*doorTicket]struct{}
	asked bool // closeIn was called
	ended bool // f has returned and everything it sent is below
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
	late := r.joint == nil && r.dropped() // under mu: giveUp comes after the flag
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

// use takes the element out of the door, once; a second time ends the pipeline, and the caller does nothing more with it.
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
