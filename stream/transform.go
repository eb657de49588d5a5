package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/lane"
)

// Elem is an element of a Transform, with its acknowledgement. Each Elem received from the input
// must end in exactly one of: a send to the output (as it is, or With another value), Fork, Join,
// Drop or Fail. Using one twice ends the pipeline. One that is never used keeps its record
// unfinished; the error of the drain names it.
type Elem[T any] struct {
	Value T
	t     *transformTicket
}

// With returns the element with another value.
func (e Elem[T]) With[U any](v U) Elem[U] { return Elem[U]{v, e.t} }

// Fork makes n elements of one. 1→n: the record is finished once all n are, and at once if n is 0.
func (e Elem[T]) Fork(n int) []Elem[T] {
	es := make([]Elem[T], n)
	if !e.t.take() {
		for i := range es {
			es[i] = e
		}
		return es
	}
	for i := range es {
		e.t.r.retain()
		es[i] = Elem[T]{e.Value, e.t.transform.admit(e.t.r, e.t.group)}
	}
	e.t.replaced()
	e.t.r.done()
	return es
}

// Join makes one element of several. n→1: they all finish with it. Its value is that of e; MetasOf
// returns the lineage of all. Elements of different partitions must not be joined above
// CommitBefore or CommitWith: that ends the pipeline.
func (e Elem[T]) Join(more ...Elem[T]) Elem[T] {
	j := &joined{subset: func(any, []int) (any, bool) { return nil, false }}
	var part *part // of the first element: the joined element belongs to it
	mixed := false
	for _, m := range append([]Elem[T]{e}, more...) {
		if !m.t.take() {
			continue
		}
		defer m.t.replaced()
		j.members = append(j.members, m.t.r)
		if part == nil {
			part = m.t.r.part
		}
		mixed = mixed || m.t.r.part != part || m.t.r.joined != nil && m.t.r.joined.mixed
	}
	if len(j.members) == 0 {
		return e
	}
	j.holds.Store(1)
	j.mixed = mixed
	if run := e.t.transform.st.exec; mixed && (part.tail != nil || run.plan.transacts()) {
		j.abandoned.Store(true)
		word := "CommitBefore, which cannot wait for the commits of both"
		if part.tail == nil {
			word = "CommitWith, whose transactions hold each partition only up to its own watermark"
		}
		run.fail(fmt.Errorf("%s: joined elements of different partitions above %s: join within a partition, or commit with CommitEach or CommitEvery [LW223]",
			e.t.transform.st.name, word))
	}
	return Elem[T]{e.Value, e.t.transform.admit(joinedRecord(part, j), e.t.group)}
}

// Drop finishes the element without passing it on.
func (e Elem[T]) Drop() {
	if e.t.use() {
		e.t.r.done()
	}
}

// Fail fails the element at this step. The policies below decide, but nothing is retried.
func (e Elem[T]) Fail(err error) {
	if !e.t.use() {
		return
	}
	if err == nil {
		err = errors.New("failed without an error [LW223]")
	}
	e.t.transform.st.failed(noWorker, e.t.r, 1, 0, printable(err), false, func() any { return e.Value })
}

// Transform runs f between two Go channels, for operators that no Pipe can express. f receives the
// elements of all partitions, each lane in order, and sends what becomes of them. Words below see
// elements in the order in which f sends them.
//
// f must receive until in is closed. That happens when the pipeline drains, or its source is
// exhausted, once everything above has finished. f then sends what it still holds and returns. f
// must neither close out nor send after it has returned. ctx ends when the drain runs out of time.
// The pipeline ends if f returns an error, panics, or returns before in is closed.
//
// A halt of a partition abandons its elements inside f at once. A revoke abandons them once f has
// finished none of them for a second; it waits for elements joined with those of other partitions.
// Whatever f does with an abandoned element is ignored.
//
// If f holds elements until others arrive, it must also receive from FlushOf, since MaxInFlight
// bounds what can arrive. Costs three goroutines and a buffer of 64 elements.
func (s Stream[T]) Transform[U any](name string, f func(ctx context.Context, in <-chan Elem[T], out chan<- Elem[U]) error, opts ...StepOption) Stream[U] {
	o := stepOpts(opts)
	o.name, o.named = name, true
	return then[T, U](s, &node{word: "Transform", name: name, nilFunc: f == nil, opts: o, op: transformOp[T, U]{f}})
}

// FlushOf returns the channel that asks a Transform to send what it holds. ctx is the context of
// the Transform's func; for any other context FlushOf returns nil. A request comes when MaxInFlight
// lets in no more records until some finish, when a partition is revoked, or when one source of a
// Merge is exhausted: the cases in which a Batch is flushed early. A func that holds elements until
// others arrive must receive from this channel beside its input, or everything may wait for what it
// holds. On a request it should send all it holds, of all partitions. A request may come while it
// holds nothing. None comes at the end: there, the closed input says the same.
func FlushOf(ctx context.Context) <-chan struct{} {
	d, ok := ctx.Value(transformKey{}).(*transform)
	if !ok {
		return nil
	}
	d.asks.Store(true)
	return d.flush
}

type transformKey struct{}

type transformOp[T, U any] struct {
	f func(ctx context.Context, in <-chan Elem[T], out chan<- Elem[U]) error
}

func (transformOp[T, U]) does() effect              { return works }
func (transformOp[T, U]) check(c *checker, _ *node) { c.slices = false }
func (transformOp[T, U]) detail() []string          { return nil }

// streams marks a word whose func is not called once per element, so that nothing can be retried.
func (transformOp[T, U]) streams() {}

func (transformOp[T, U]) place(p *planner, n *node) {
	p.note(n)
	p.flush()
	p.endStage(n)
	p.fans = true
	p.startStage(n.out)
}

func (o transformOp[T, U]) transform(st *step, to *stage) *transform {
	d := &transform{st: st, held: map[*transformTicket]struct{}{}, gone: make(chan struct{}), last: make(chan struct{}), flush: make(chan struct{}, 1)}
	raw, in, out := make(chan Elem[T], transformBuffer), make(chan Elem[T]), make(chan Elem[U])
	d.push = push[T](func(w *worker, r *record, v *T) {
		e := Elem[T]{*v, d.admit(r, w.group)}
		d.ahead.Add(1)
		select {
		case raw <- e:
			return
		default:
		}
		st.exec.handing.Add(1)
		defer st.exec.handing.Add(-1)
		w.wait(func() {
			select {
			case raw <- e:
				return
			case <-d.gone: // f has returned, so the pipeline is ending
			case <-r.Done():
			}
			e.t.leave()
			d.received()
		})
	})
	d.relay = func() { // the only sender on in, so it closes in
		defer close(in)
		for {
			select {
			case e := <-raw:
				e.t.r.part.loseIfExpired()
				switch {
				case e.t.r.part.status().isReleased():
					e.t.leave()
				case !e.t.isGivenUp():
					select {
					case in <- e:
					case <-d.gone:
						e.t.leave()
					}
				}
				d.received()
			case <-d.last:
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
			select { // nothing closes out but f, whose goroutines may outlive it
			case e, sends := <-out:
				switch {
				case !sends:
					err = errClosedOut // also if f panicked in a send on the closed out
				case e.t != nil:
					e.t.leave()
				}
			default:
			}
			close(d.gone)
			d.returned(err)
		}()
		err = guarded(func() error { return o.f(context.WithValue(ctx, transformKey{}, d), in, out) })
	}
	d.pump = func() {
		w := &worker{}
		pass := typeOf[U]{}.boundary(w, to).(push[U])
		for {
			select {
			case e, sends := <-out:
				switch {
				case !sends:
					st.exec.fail(fmt.Errorf("%s: %w", st.name, errClosedOut))
					<-d.gone
					return
				case e.t == nil:
					st.exec.fail(fmt.Errorf("%s: sent an Elem that came neither from its input nor from With, Fork or Join [LW223]", st.name))
				case e.t.use():
					w.group = e.t.group
					pass(w, e.t.r, &e.Value)
				}
			case <-d.gone:
				return
			}
		}
	}
	return d
}

var errClosedOut = errors.New("it closed its output, which only the pipeline may close: remove close(out) and return [LW223]")
