package stream

import (
	"context"
	"iter"
	"slices"
)

// Map converts each element with f. 1→1, keeps order, runs in the worker of the next degree word
// below. An error or a panic of f fails the element at this step, and the policies below decide.
func (s Stream[T]) Map[U any](f func(context.Context, T) (U, error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{word: "Map", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), op: mapOp[T, U]{f: f}})
}

// Tap calls f for each element and passes the element on. Use it for a side effect that needs no
// degree of its own. 1→1, keeps order, runs in the worker of the next degree word below. An error
// or a panic of f fails the element at this step, and the policies below decide.
func (s Stream[T]) Tap(f func(context.Context, T) error, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{word: "Tap", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), op: tapOp[T]{f: f}})
}

// Filter passes on the elements for which keep returns true; the others are finished. 1→0..1, keeps
// order, runs in the worker of the next degree word below. A panic of keep fails the element at
// this step, and the policies below decide.
func (s Stream[T]) Filter(keep func(T) bool, opts ...StepOption) Stream[T] {
	return then[T, T](s, &node{word: "Filter", name: funcName(keep), nilFunc: keep == nil, opts: stepOpts(opts), op: filterOp[T]{keep: keep}})
}

// FlatMap passes on every element of the sequence that f returns. 1→0..n, keeps order, runs in the
// worker of the next degree word below. The record is finished once all of its elements are, and at
// once if there are none. The sequence is consumed lazily. An error or a panic of f fails the
// element at this step. A panic inside the sequence also fails it, but is never retried: the
// elements passed on before stay passed on. A Timeout limits f. The sequence, which may wait for
// the steps below, keeps the context until it is consumed.
func (s Stream[T]) FlatMap[U any](f func(context.Context, T) (iter.Seq[U], error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{word: "FlatMap", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), op: flatMapOp[T, U]{f: f, lazy: true}})
}

// FlatMapSlice is FlatMap for a function that returns a slice.
func (s Stream[T]) FlatMapSlice[U any](f func(context.Context, T) ([]U, error), opts ...StepOption) Stream[U] {
	each := func(ctx context.Context, v T) (iter.Seq[U], error) {
		us, err := f(ctx, v)
		return slices.Values(us), err
	}
	return then[T, U](s, &node{word: "FlatMapSlice", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), op: flatMapOp[T, U]{f: each}})
}

// valueOp is a word that handles one element at a time, in the worker of the next degree word
// below.
type valueOp struct{}

func (valueOp) does() effect              { return calls }
func (valueOp) check(*checker, *node)     {}
func (valueOp) place(p *planner, n *node) { p.value(n) }
func (valueOp) detail() []string          { return nil }
func (valueOp) inline() bool              { return true }

type mapOp[T, U any] struct {
	valueOp
	f func(context.Context, T) (U, error)
}

func (mapOp[T, U]) divides()                  {}
func (mapOp[T, U]) check(c *checker, _ *node) { c.slices = false }

func (o mapOp[T, U]) link(_ *worker, st *step, next any) any { return linkMap(st, o.f, next) }

type tapOp[T any] struct {
	valueOp
	f func(context.Context, T) error
}

func (tapOp[T]) does() effect { return works }
func (tapOp[T]) divides()     {}

func (o tapOp[T]) link(_ *worker, st *step, next any) any { return linkTap(st, o.f, next) }

type filterOp[T any] struct {
	valueOp
	keep func(T) bool
}

func (filterOp[T]) filters() {}

func (o filterOp[T]) link(_ *worker, st *step, next any) any {
	nx, keeps := next.(push[T]), new(bool)
	f := func(_ context.Context, v *T, keeps *bool) error { *keeps = o.keep(*v); return nil }
	h := &handling[T, bool]{st: st, f: f, u: keeps}
	return push[T](func(w *worker, r *record, v *T) {
		switch r = h.perform(w, r, v); {
		case r == nil:
		case *keeps:
			nx(w, r, v)
		default:
			st.finish(w, r)
		}
	})
}

type flatMapOp[T, U any] struct {
	valueOp
	f    func(context.Context, T) (iter.Seq[U], error)
	lazy bool // the sequence may use the context
}

func (flatMapOp[T, U]) fans()                     {}
func (flatMapOp[T, U]) divides()                  {}
func (flatMapOp[T, U]) check(c *checker, _ *node) { c.slices = false }

func (o flatMapOp[T, U]) link(_ *worker, st *step, next any) any {
	seq, s := new(iter.Seq[U]), &spreading[T, U]{st: st, next: next.(push[U])}
	call := o.f
	if o.lazy && (st.timeout > 0 || st.handler != nil) {
		call = outlasting(call)
	}
	f := func(ctx context.Context, v *T, seq *iter.Seq[U]) (err error) { *seq, err = call(ctx, *v); return err }
	on := func(w *worker, r *record, v *T) { s.spread(w, r, v, *seq) }
	h := &handling[T, iter.Seq[U]]{st: st, f: f, u: seq, on: on}
	return push[T](func(w *worker, r *record, v *T) {
		if r = h.perform(w, r, v); r != nil {
			s.spread(w, r, v, *seq)
		}
	})
}
