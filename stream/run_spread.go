package stream

import "iter"

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
