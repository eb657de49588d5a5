package stream

import (
	"context"

	"github.com/laneway-go/laneway/internal/lane"
)

// What runs asks more of an op than the plan does, by the interfaces here. A word has those that it
// needs.
type (
	// linker works on elements in a worker: it makes push[In] of push[Out].
	linker interface {
		link(w *worker, st *step, next any) any
	}
	// sender ends a stage: it makes push[T] into the lanes of the next one.
	sender interface {
		send(w *worker, st *step, to *stage) any
	}
	// bulker begins a stage that takes what a lane has queued in one call.
	bulker interface {
		write(w *worker, st *step, open, next any) func([]*lane.Task)
	}
	// keeper keeps something for each partition.
	keeper interface {
		keep(st *step, p *part) any
	}
	// collector is a keeper whose keep is a batch, to be flushed.
	collector interface {
		keeper
		collects()
	}
	// transformer has goroutines of its own between two stages.
	transformer interface {
		door(st *step, to *stage) *doorway
	}
	// starter makes what all workers of a run share.
	starter interface {
		start(st *step)
	}
)

// push hands an element on, in the same worker: the record it came with, and its value, which
// belongs to the caller again afterwards. With it goes one hold on the record's ticket.
type push[T any] func(w *worker, r *record, v *T)

// typed is an element type that the plan has forgotten.
type typed interface {
	// of an element that crossed a boundary: func(*lane.Task) (*record, *T)
	opener() any
	entry(open, next any) func(*worker, *lane.Task) // from a task to push[T]
	boundary(w *worker, to *stage) any              // push[T] into the lanes of the next stage
	// takes elements back that a stage is through with, for boundary
	free(to *stage) func(*lane.Task)
	finish(w *worker, end finish) any // push[T] at the end of the chain
	// push[T] that waits for the commit before the next stage
	gate(to *stage) any
	// push[T] that keeps results in their order (KeepOrder)
	ordered(w *worker, next any) any
}

type typeOf[T any] struct{}

// opened takes an element out of the task that carried it.
type opened[T any] func(t *lane.Task) (*record, *T)

func (typeOf[T]) opener() any {
	return opened[T](func(t *lane.Task) (*record, *T) {
		e := elemOf[T](t)
		return e.r, &e.v
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

func (typeOf[T]) gate(to *stage) any {
	return push[T](func(w *worker, r *record, v *T) {
		r.part.enterGate(waiter{to: to.index, elem: newElem(to, r, to.idOf(w, r), v)})
	})
}

func (typeOf[T]) ordered(w *worker, next any) any { return linkOrdered[T](w, next) }

// linkMap is the way of an element through a step that makes one of another.
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

// linkTap is the way of an element through a step that passes on what it got.
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
