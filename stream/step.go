package stream

import (
	"context"
	"errors"
	"slices"
	"time"
)

// step is a node in one run. It has what surrounds a call (timeout, middleware) and the policies
// for failures.
type step struct {
	exec     *executor
	stage    *stage
	node     *node
	name     string
	group    grouping // in effect at this node
	line     int      // of words, see stepPlan
	state    int      // index in part.state, for nodes that keep state per partition
	bare     bool     // no timeout and no middleware surround a call
	first    bool     // no step above it has worked on its elements
	single   bool     // no word above it makes several elements of one
	later    bool     // another step runs before it in the same worker, and may take long
	shared   any      // state that all workers share; see starter
	policies []*policy
	timeout  time.Duration
	tooLong  error   // cause of a context that the timeout cancelled
	handler  Handler // the middleware around innermost, or nil
}

// handling is a step's func in one worker.
type handling[T, U any] struct {
	st *step
	f  call[T, U]
	u  *U // the last result of f
	// pass passes on the good members of a batch that failed in part. It is set if the step passes
	// its input on. If it is nil, the good members have no result and the whole batch has failed.
	pass push[T]
	// on passes on an element whose result is *u. If it is nil, the step cannot bisect a batch.
	on push[T]
}

// perform calls f until it succeeds or a policy has decided. If f succeeded, it sets *u and returns
// the record to pass on, which may be a part of r. Otherwise it returns nil.
func (h *handling[T, U]) perform(w *worker, r *record, v *T) *record {
	if h.st.later && h.st.late(r) {
		h.st.leave(w, r)
		return nil
	}
	return h.from(w, r, v, h.st.firstAttempt(r))
}

// late reports whether the assignment has expired since the worker began the element.
func (st *step) late(r *record) bool {
	r.part.loseIfExpired()
	return !r.counts()
}

// firstAttempt returns the number of an element's next attempt: 1, or the one after those of an
// earlier assignment.
func (st *step) firstAttempt(r *record) int {
	earlier := r.part.ahead.attempts.earlier.Load()
	if earlier == nil || r.joined != nil || !st.single {
		return 1
	}
	if a, ok := (*earlier)[attemptsAt{r.offset(), st.line}]; ok && a.Step == st.name {
		return a.Failed + 1
	}
	return 1
}

// from is perform from an attempt on; 0 means that there is none.
func (h *handling[T, U]) from(w *worker, r *record, v *T, attempt int) *record {
	for attempt != 0 {
		last := attempt
		took, err := h.once(r, v, attempt)
		if err == nil && r.counts() {
			if attempt > 1 {
				w.holds(nil)
			}
			return r
		}
		if err == nil { // too late: the context was cancelled, so the result does not count
			h.st.leave(w, r)
			return nil
		}
		if r, attempt = h.failed(w, r, v, last, failing{err, took}, true); attempt == inHalves {
			h.bisect(w, r, v, last, failing{err, took})
			return nil
		}
	}
	return nil
}

// once makes one attempt.
func (h *handling[T, U]) once(r *record, v *T, attempt int) (took time.Duration, err error) {
	st := h.st
	switch {
	case !st.bare || !st.exec.unheard(r):
		*h.u = *new(U) // middleware may turn a panic into a success, which has no result
		return st.dressed(r, attempt, func(ctx context.Context) error { return h.f.try(ctx, v, h.u) })
	case st.exec.timed:
		began := clock()
		if err = h.f.try(r, v, h.u); err != nil {
			took = clock() - began
		}
		return took, err
	}
	return 0, h.f.try(r, v, h.u)
}

// divides reports whether a failed element is a batch to bisect.
func (h *handling[T, U]) divides(r *record, v *T, err error) bool {
	if !h.st.node.opts.bisect || r.joined == nil || len(r.joined.members) < 2 || r.joined.holds.Load() != 1 {
		return false
	}
	_, ok := r.joined.subset(*v, []int{len(r.joined.members) - 1})
	return ok && !IsWhole(err)
}

// bisect finds the culprits in a failed batch. It passes on, settles or abandons every member.
func (h *handling[T, U]) bisect(w *worker, r *record, v *T, attempt int, f failing) {
	n, group, sg := len(r.joined.members), w.group, h.st.stage
	part := func(lo, hi int) (*record, T) {
		members := make([]int, 0, hi-lo)
		for i := lo; i < hi; i++ {
			members = append(members, i)
		}
		some, _ := r.joined.subset(*v, members)
		return r.join(members), some.(T)
	}
	s := &halving{n: n, attempt: attempt, loose: sg.lanes == loose && !sg.plan.keepOrder}
	s.call = func(lo, hi int) (outcome, failing) {
		some, v := part(lo, hi)
		var f failing
		some.part.loseIfExpired()
		stops := w.stops(some)
		if !stops {
			w.group = group
			f.took, f.err = h.once(some, &v, attempt)
		}
		switch {
		case stops, f.err == nil && !some.counts():
			h.st.leave(w, some)
			return partPassed, f
		case f.err == nil:
			h.on(w, some, &v)
			return partPassed, f
		case IsWhole(f.err):
			return partOfAll, f
		case h.named(some, &v, f.err) != nil:
			return partNamed, f
		}
		return partFailed, f
	}
	s.settle = func(one suspect) {
		some, v := part(one.lo, one.hi)
		if w.stops(some) {
			h.st.leave(w, some)
			return
		}
		w.group = group
		some, next := h.failed(w, some, &v, one.attempt, one.failing, false)
		if some = h.from(w, some, &v, next); some != nil {
			w.group = group
			h.on(w, some, &v)
		}
	}
	h.st.exec.emit(StepEvent{h.st.name, "bisected", "a batch of " + counted(n, "element") + " failed: trying its halves", f.err})
	s.search(f)
}

// call is a user's func, which makes *u from *v.
type call[T, U any] func(ctx context.Context, v *T, u *U) error

// try calls f and turns a panic into an error.
func (f call[T, U]) try(ctx context.Context, v *T, u *U) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = panicked(recover())
		}
	}()
	err = printable(f(ctx, v, u))
	returned = true
	return err
}

// dressed makes one attempt with the step's timeout, observers and middleware around it.
func (st *step) dressed(r *record, attempt int, f func(context.Context) error) (took time.Duration, err error) {
	var ctx context.Context = r
	bound := ctx
	c := &attemptOf{st: st, r: r, n: attempt, f: f}
	if st.timeout > 0 {
		timed, cancel := st.timed(ctx)
		defer cancel()
		o := st.exec.overruns
		defer o.leave(o.enter(c, nil))
		ctx, bound = timed, timed
	}
	ls := st.exec.listeners
	for i := range ls {
		if l := &ls[i]; l.stepStart != nil && l.wants(r) {
			st.exec.hear(func() { ctx = given(l.stepStart(ctx, c)) })
		}
	}
	var began time.Duration
	timed := len(ls) > 0 || st.exec.timed
	if timed {
		began = clock()
	}
	if st.handler == nil {
		err = f(ctx)
	} else {
		err = guarded(func() error { return st.handler(context.WithValue(ctx, attemptKey{}, c), c) })
		if err == nil && !c.called {
			err = ErrNotCalled
		}
	}
	if err != nil && errors.Is(bound.Err(), context.DeadlineExceeded) && !IsWhole(err) { // whatever its text says
		err = Whole(err)
	}
	if timed {
		c.took = clock() - began
	}
	for i := len(ls) - 1; i >= 0; i-- {
		if l := &ls[i]; l.stepDone != nil && l.wants(r) {
			st.exec.hear(func() { l.stepDone(ctx, c, err) })
		}
	}
	return c.took, err
}

// timed bounds ctx by the step's timeout, if it has one.
func (st *step) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if st.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, st.timeout, st.tooLong)
}

// clockStart is the zero of clock.
var clockStart = time.Now()

// clock returns the monotonic time. It costs half as much as time.Now.
func clock() time.Duration { return time.Since(clockStart) }

// attemptOf is the Call that middleware and observers see.
type attemptOf struct {
	st     *step
	r      *record
	n      int
	f      func(context.Context) error
	called bool // f was
	took   time.Duration
}

// attemptKey is the context key of the attempt. The innermost handler reads it, since middleware is
// wrapped once per step and not once per call.
type attemptKey struct{}

func innermost(ctx context.Context, _ Call) error {
	c, ok := ctx.Value(attemptKey{}).(*attemptOf)
	if !ok {
		return ErrNotCalled
	}
	c.called = true
	return c.f(ctx)
}

func wrap(use []Middleware) Handler {
	if len(use) == 0 {
		return nil
	}
	h := Handler(innermost)
	for _, m := range slices.Backward(use) {
		if h = m(h); h == nil {
			panic("it returned no handler")
		}
	}
	return h
}

func (a *attemptOf) Step() string { return a.st.name }
func (a *attemptOf) Meta() Meta   { return a.r.meta() }
func (a *attemptOf) Attempt() int { return a.n }
func (a *attemptOf) Records() int { return int(a.r.size()) }
func (a *attemptOf) Batch() bool  { return a.r.joined != nil }

func (a *attemptOf) Duration() time.Duration { return a.took }

// join returns a batch of some of the members of r.
func (r *record) join(members []int) *record {
	j := &joined{subset: r.joined.subset, mixed: r.joined.mixed}
	for _, i := range members {
		j.members = append(j.members, r.joined.members[i])
	}
	j.holds.Store(1)
	return joinedRecord(r.part, j)
}
