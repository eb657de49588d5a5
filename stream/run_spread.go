package stream

import (
	"context"
	"iter"
	"time"
)

// spreading passes the children of elements on, in one worker. The sequence gets the body of the
// loop as a func. What that func changes is in fields here: variables would be allocated for each
// element.
type spreading[T, U any] struct {
	st   *step
	next push[U]
	u    U    // the child
	ours bool // the sequence is running, and not the steps below
	left bool // a child was not passed on
}

// spread passes on the children of an element, each with a hold of its own. The element's own hold
// is given back last, so that the ticket is not resolved before.
func (s *spreading[T, U]) spread(w *worker, r *record, v *T, seq iter.Seq[U]) {
	if seq == nil {
		s.st.finish(w, r)
		return
	}
	switch err := s.children(w, r, seq); {
	case err != nil:
		s.st.failed(w, r, 1, 0, Permanent(err), false, func() any { return *v })
	case s.left:
		r.abandon()
	default:
		s.st.finish(w, r)
	}
}

// children passes on the elements of a sequence until the worker stops. A panic of the sequence is
// returned as an error. A panic of the steps below passes through.
func (s *spreading[T, U]) children(w *worker, r *record, seq iter.Seq[U]) (err error) {
	s.ours, s.left = true, false
	defer func() {
		if !s.ours {
			return
		}
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	group := w.group
	for s.u = range seq {
		if w.stops(r) {
			s.left = true
			break
		}
		w.group = group
		r.retain()
		s.ours = false
		s.next(w, r, &s.u)
		s.ours = true
	}
	return nil
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
