package stream

import (
	"context"
	"iter"
	"time"
)

// spread passes the children of an element on, each with a hold of its own. The element's own hold
// is given back last, so that the ticket is not resolved before.
func spread[T, U any](w *worker, st *step, r *record, v *T, seq iter.Seq[U], next push[U]) {
	if seq == nil {
		st.finish(w, r)
		return
	}
	switch all, err := children(w, r, seq, next); {
	case err != nil:
		st.failed(w, r, 1, 0, Permanent(err), false, func() any { return *v })
	case all:
		st.finish(w, r)
	default:
		r.abandon()
	}
}

// children passes the elements of a sequence on and reports whether all were. A panic of the
// sequence is returned as an error. A panic of the steps below passes through.
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

// outlasting gives f a context that lasts until its sequence is consumed. The context of the call,
// which a Timeout or a middleware may have made, ends when f returns. If a middleware refuses the
// sequence, its context ends with the next call.
func outlasting[T, U any](f func(context.Context, T) (iter.Seq[U], error)) func(context.Context, T) (iter.Seq[U], error) {
	end := func(error) {}
	return func(ctx context.Context, v T) (iter.Seq[U], error) {
		end(nil)
		r, ok := ctx.Value(lineageKey{}).(*record)
		if !ok { // a middleware hides it
			return f(ctx, v)
		}
		own, cancel := context.WithCancelCause(lasting{ctx, r})
		handed := false
		defer func() {
			if !handed {
				cancel(nil)
			}
		}()
		part := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		seq, err := f(own, v)
		if !part() && err == nil { // the sequence would end early, without a word
			err = context.Cause(ctx)
		}
		if seq == nil || err != nil {
			return nil, err
		}
		handed, end = true, cancel
		return func(yield func(U) bool) {
			defer cancel(nil)
			seq(yield)
		}, nil
	}
}

// lasting has the values of a context, and ends with its record.
type lasting struct {
	context.Context
	r *record
}

func (l lasting) Deadline() (time.Time, bool) { return l.r.Deadline() }
func (l lasting) Done() <-chan struct{}       { return l.r.Done() }
func (l lasting) Err() error                  { return l.r.Err() }
