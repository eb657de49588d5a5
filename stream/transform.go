package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/lane"
)

// Elem is an element with its acknowledgement. Each one taken from a Transform's input must end in
// exactly one of: sent to its output (as it is, or With another value), Fork, Join, Drop or Fail.
// One used twice ends the pipeline; one that is not used is found and named when it drains.
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
// Elements of different partitions can be joined above CommitEach and CommitEvery only: elsewhere
// that ends the pipeline.
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
		}
		mixed = mixed || m.t.r.part != part || m.t.r.joint != nil && m.t.r.joint.mixed
	}
	if len(j.members) == 0 {
		return e
	}
	j.holds.Store(1)
	j.mixed = mixed
	if run := e.t.door.st.run; mixed && (part.tail != nil || run.plan.transacts()) {
		j.abandoned.Store(true)
		word := "CommitBefore, which cannot wait for both their commits"
		if part.tail == nil {
			word = "CommitWith, whose transactions take each partition as far as it has come"
		}
		run.fail(fmt.Errorf("%s: joined elements of different partitions above %s: join within a partition, or commit with CommitEach or CommitEvery",
			e.t.door.st.name, word))
	}
	return Elem[T]{e.Value, e.t.door.admit(jointRecord(part, j), e.t.group)}
}

// Drop says that nothing more is to be done for the element: it is done.
func (e Elem[T]) Drop() {
	if e.t.use() {
		e.t.r.done()
	}
}

// Fail fails the element at this step: the policies below decide, except that nothing can be
// retried.
func (e Elem[T]) Fail(err error) {
	if !e.t.use() {
		return
	}
	if err == nil {
		err = errors.New("failed without an error")
	}
	e.t.door.st.failed(noWorker, e.t.r, 1, 0, err, func() any { return e.Value })
}

// Transform is the channel-level door: real Go channels, for operators that no Pipe can express. f
// gets the elements of all partitions, in the order of their lanes, and sends on what becomes of
// them; order below is the order in which it sends. It must receive until in is closed, which
// happens when the pipeline drains and everything above is through; then send what it still has and
// return. It must not close out, nor send after it returned. ctx ends when the drain has run out of
// time. An error, a panic, or a return before in is closed ends the pipeline. Elements of a
// partition that was revoked or halted meanwhile may be passed on or not; they no longer count: a
// halt gives them up at once, a revoke when f has ended none of them for a second. A func that
// holds elements until others come must listen to FlushOf, since MaxInFlight bounds what can come.
// What was joined across partitions is waited for. Costs three goroutines and a buffer of 64
// elements.
func (s Stream[T]) Transform[U any](name string, f func(ctx context.Context, in <-chan Elem[T], out chan<- Elem[U]) error, opts ...StepOption) Stream[U] {
	o := stepOpts(opts)
	o.name, o.named = name, true
	return then[T, U](s, &node{word: "Transform", name: name, nilFunc: f == nil, opts: o, op: transformOp[T, U]{f}})
}

// FlushOf returns the channel that asks a Transform to send what it holds, as a Batch is flushed
// early: MaxInFlight lets nothing more in before something is finished, or a partition is revoked.
// ctx is the one that the Transform's func got. A func that holds elements until others come
// receives from it beside its input; one that does not may hold what all wait for, for ever. What
// it holds is everything, of all partitions. It may be asked when it holds nothing, and is not when
// its input is closed, which says the same. nil, on which nothing comes: ctx is not a Transform's.
func FlushOf(ctx context.Context) <-chan struct{} {
	d, ok := ctx.Value(doorKey{}).(*doorway)
	if !ok {
		return nil
	}
	d.asks.Store(true)
	return d.flush
}

type doorKey struct{}

type transformOp[T, U any] struct {
	f func(ctx context.Context, in <-chan Elem[T], out chan<- Elem[U]) error
}

func (transformOp[T, U]) does() effect          { return calls }
func (transformOp[T, U]) check(*checker, *node) {}
func (transformOp[T, U]) detail() []string      { return nil }

// it is not called per element, so that nothing can be tried again
func (transformOp[T, U]) streams() {}

func (transformOp[T, U]) cut(c *cutter, n *node) {
	c.note(n)
	c.take()
	c.close(n)
	c.fans = true
	c.open(n.out)
}

func (o transformOp[T, U]) door(st *step, to *stage) *doorway {
	d := &doorway{st: st, held: map[*doorTicket]struct{}{}, gone: make(chan struct{}), dry: make(chan struct{}), flush: make(chan struct{}, 1)}
	raw, in, out := make(chan Elem[T], doorBuffer), make(chan Elem[T]), make(chan Elem[U])
	d.push = push[T](func(w *worker, r *record, v *T) {
		e := Elem[T]{*v, d.admit(r, w.group)}
		d.ahead.Add(1)
		select {
		case raw <- e:
			return
		default:
		}
		st.run.handing.Add(1)
		defer st.run.handing.Add(-1)
		w.wait(func() {
			select {
			case raw <- e:
				return
			case <-d.gone: // f has returned: the pipeline is ending
			case <-r.Done():
			}
			e.t.leave()
			d.received(r.part)
		})
	})
	d.relay = func() { // the one that sends on in, and so the one that closes it
		defer close(in)
		for {
			select {
			case e := <-raw:
				if !e.t.isGivenUp() {
					select {
					case in <- e:
					case <-d.gone:
						e.t.leave()
					}
				}
				d.received(e.t.r.part)
			case <-d.dry:
				if len(raw) == 0 {
					return
				}
			}
		}
	}
	d.work = func(ctx context.Context) {
		d.id.Store(lane.Goroutine())
		err := errEnded
		defer func() {
			close(d.gone)
			if guarded(func() error { close(out); return nil }) != nil {
				err = errClosedOut // also where f panicked because it sent on out afterwards
			}
			d.returned(err)
		}()
		err = guarded(func() error { return o.f(context.WithValue(ctx, doorKey{}, d), in, out) })
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
		select {
		case <-d.gone:
		default: // it was not the pipeline that closed out
			st.run.fail(fmt.Errorf("%s: %w", st.name, errClosedOut))
			<-d.gone
		}
	}
	return d
}

var errClosedOut = errors.New("it closed its output, which is the pipeline's to close: leave close(out) out and return")
