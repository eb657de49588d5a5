package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/lane"
)

// The interfaces by which a run asks an op for more than the plan does. An op implements those that
// it needs.
type (
	// linker processes elements in a worker: it makes a push[In] from the next push[Out].
	linker interface {
		link(w *worker, st *step, next any) any
	}
	// forker passes elements to a branch, to the next step, or to both: it makes a push[T] of the
	// pushes of both.
	forker interface {
		fork(w *worker, st *step, branch, next any) any
	}
	// sender ends a stage: it makes a push[T] into the lanes of the next one.
	sender interface {
		send(w *worker, st *step, to *stage) any
	}
	// bulker starts a stage that takes all queued tasks of a lane in one call.
	bulker interface {
		write(w *worker, st *step, open, next any) func([]*lane.Task)
	}
	// keeper keeps state per partition.
	keeper interface {
		keep(st *step, p *part) any
	}
	// collector is a keeper whose keep returns a batch, which has to be flushed.
	collector interface {
		keeper
		collects()
	}
	// transformer runs goroutines of its own between two stages.
	transformer interface {
		transform(st *step, to *stage) *transform
	}
	// starter makes the state that all workers of a run share.
	starter interface {
		start(st *step)
	}
)

// push passes an element on in the same worker. One hold on the ticket of r passes with it. The
// value belongs to the caller again once push returns.
type push[T any] func(w *worker, r *record, v *T)

// typed makes funcs of an element type that the plan does not know.
type typed interface {
	opener() any                                    // opened[T] for records, and for elements that crossed a boundary
	entry(open, next any) func(*worker, *lane.Task) // passes the element of a task to a push[T]
	boundary(w *worker, to *stage) any              // push[T] into the lanes of the next stage
	free(to *stage) func(*lane.Task)                // returns an element to the pool that boundary uses
	finish(w *worker, end finish) any               // push[T] at the end of the chain
	barrier(to *stage) any                          // push[T] into the ack barrier above the next stage
	ordered(w *worker, next any) any                // push[T] of KeepOrder
}

type typeOf[T any] struct{}

// opened returns the element that a task carries.
type opened[T any] func(t *lane.Task) (*record, *T)

func (typeOf[T]) opener() any {
	return opened[T](func(t *lane.Task) (*record, *T) {
		if t.Kind == kindOfElem {
			e := elemOf[T](t)
			return e.r, &e.v
		}
		r := recordOf(t)
		return r, &r.slab.Payload.(*valuesOf[T]).vals[r.Index]
	})
}

func (typeOf[T]) entry(open, next any) func(*worker, *lane.Task) {
	o, nx := open.(opened[T]), next.(push[T])
	return func(w *worker, t *lane.Task) {
		r, v := o(t)
		nx(w, r, v)
	}
}

func (typeOf[T]) boundary(_ *worker, to *stage) any {
	return push[T](func(w *worker, r *record, v *T) {
		id := to.idOf(w, r)
		to.put(w, r, id, &newElem(to, r, id, v).Task)
	})
}

func (typeOf[T]) free(to *stage) func(*lane.Task) {
	return func(t *lane.Task) {
		if t.Kind == kindOfElem {
			freeElem(to, elemOf[T](t))
		}
	}
}

func (typeOf[T]) finish(_ *worker, end finish) any {
	return push[T](func(w *worker, r *record, _ *T) { end(w, r) })
}

func (typeOf[T]) barrier(to *stage) any {
	return push[T](func(w *worker, r *record, v *T) {
		r.part.enterBarrier(waiter{to: to.index, elem: newElem(to, r, to.idOf(w, r), v)})
	})
}

func (typeOf[T]) ordered(w *worker, next any) any { return linkOrdered[T](w, next) }

// linkMap links a step that makes one element from another.
func linkMap[T, U any](st *step, f func(context.Context, T) (U, error), next any) any {
	g := func(ctx context.Context, v *T, u *U) (err error) { *u, err = f(ctx, *v); return err }
	nx, u := next.(push[U]), new(U)
	h := &handling[T, U]{st: st, f: g, u: u, on: func(w *worker, r *record, _ *T) { nx(w, r, u) }}
	return push[T](func(w *worker, r *record, v *T) {
		if r = h.perform(w, r, v); r != nil {
			nx(w, r, u)
		}
	})
}

// linkTap links a step that passes its input on.
func linkTap[T any](st *step, f func(context.Context, T) error, next any) any {
	g := func(ctx context.Context, v *T, _ *struct{}) error { return f(ctx, *v) }
	nx := next.(push[T])
	h := &handling[T, struct{}]{st: st, f: g, u: new(struct{}), pass: nx, on: nx}
	return push[T](func(w *worker, r *record, v *T) {
		if r = h.perform(w, r, v); r != nil {
			nx(w, r, v)
		}
	})
}
