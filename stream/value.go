package stream

import (
	"context"
	"iter"
)

// Map applies f to each element. 1→1, keeps order, runs in the worker of the next degree word below. An error or a panic of f fails the
// element at this step; the policies below decide.
func (s Stream[T]) Map[U any](f func(context.Context, T) (U, error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{kind: kindMap, word: "Map", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts), link: linkMap(f)})
}

// Filter passes on the elements that keep wants; the others are done. 1→0..1, keeps order, runs in the worker of the next degree word below. A
// panic of keep fails the element at this step.
func (s Stream[T]) Filter(keep func(T) bool) Stream[T] {
	return then[T, T](s, &node{kind: kindFilter, word: "Filter", name: funcName(keep), nilFunc: keep == nil,
		link: func(_ *worker, st *step, next any) any {
			nx, keeps := next.(push[T]), new(bool)
			f := func(_ context.Context, v *T, keeps *bool) error { *keeps = keep(*v); return nil }
			return push[T](func(w *worker, r *record, v *T) {
				switch r = perform(w, st, r, v, keeps, f, nil); {
				case r == nil:
				case *keeps:
					nx(w, r, v)
				default:
					st.finish(w, r)
				}
			})
		}})
}

// FlatMap passes on every element of the sequence that f returns. 1→0..n, keeps order; the record is done when all of them are (at once
// where there are none). The sequence is consumed as it is made, in the worker of the next degree word below. A panic inside the sequence
// fails the record, but what was passed on before stays so: no retry is made of it.
func (s Stream[T]) FlatMap[U any](f func(context.Context, T) (iter.Seq[U], error), opts ...StepOption) Stream[U] {
	return then[T, U](s, &node{kind: kindFlatMap, word: "FlatMap", name: funcName(f), nilFunc: f == nil, opts: stepOpts(opts),
		link: func(_ *worker, st *step, next any) any {
			nx, seq := next.(push[U]), new(iter.Seq[U])
			g := func(ctx context.Context, v *T, seq *iter.Seq[U]) (err error) { *seq, err = f(ctx, *v); return err }
			return push[T](func(w *worker, r *record, v *T) {
				if r = perform(w, st, r, v, seq, g, nil); r != nil {
					spread(w, st, r, v, *seq, nx)
				}
			})
		}})
}

// linkMap is the way of an element through a step that makes one of another.
func linkMap[T, U any](f func(context.Context, T) (U, error)) func(*worker, *step, any) any {
	g := func(ctx context.Context, v *T, u *U) (err error) { *u, err = f(ctx, *v); return err }
	return func(_ *worker, st *step, next any) any {
		nx, u := next.(push[U]), new(U)
		return push[T](func(w *worker, r *record, v *T) {
			if r = perform(w, st, r, v, u, g, nil); r != nil {
				nx(w, r, u)
			}
		})
	}
}

// linkTap is the way of an element through a step that passes on what it got.
func linkTap[T any](f func(context.Context, T) error) func(*worker, *step, any) any {
	g := func(ctx context.Context, v *T, _ *struct{}) error { return f(ctx, *v) }
	return func(_ *worker, st *step, next any) any {
		nx, none := next.(push[T]), new(struct{})
		return push[T](func(w *worker, r *record, v *T) {
			if r = perform(w, st, r, v, none, g, nx); r != nil {
				nx(w, r, v)
			}
		})
	}
}

// spread passes the children of an element on: each with a hold of its own, the element's own hold last.
func spread[T, U any](w *worker, st *step, r *record, v *T, seq iter.Seq[U], next push[U]) {
	if seq == nil {
		st.finish(w, r)
		return
	}
	switch all, err := children(w, r, seq, next); {
	case err != nil:
		st.failed(w, r, 1, 0, Permanent(err), func() any { return *v })
	case all:
		st.finish(w, r)
	default:
		r.abandon()
	}
}

// children reports whether all were passed on, and returns a panic of the sequence as an error; one that comes from below is none of its business.
func children[U any](w *worker, r *record, seq iter.Seq[U], next push[U]) (all bool, err error) {
	group, ours := w.group, true
	defer func() {
		if !ours {
			return
		}
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	for u := range seq {
		if w.stops(r) {
			return false, nil
		}
		w.group = group
		r.retain()
		ours = false
		next(w, r, &u)
		ours = true
	}
	return true, nil
}
