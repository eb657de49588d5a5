package stream

import (
	"context"
	"slices"
	"time"
)

// step is a node at work in one run: what its calls are dressed in, and what governs its failures.
type step struct {
	run      *run
	stage    *stage
	node     *node
	name     string
	group    grouping // in effect where it stands
	state    int      // index in part.state, for nodes that keep something per partition
	bare     bool     // nothing is around a call, observers aside
	first    bool     // no step above it calls anything
	shared   any      // what the workers of all partitions share; see starter
	policies []*policy
	timeout  time.Duration
	tooLong  error   // the cause of a context that timeout has ended
	handler  Handler // the middleware around innermost; nil: none
}

// perform calls f until it succeeds or a policy has decided. It returns the record to go on with,
// nil if there is none; *u is then set. A batch that failed in part goes on without the failed
// ones, through pass, where the step passes on what it got. Where it does not there is no result
// that those which did not fail could go on with: all have failed.
func perform[T, U any](w *worker, st *step, r *record, v *T, u *U, f call[T, U], pass push[T]) *record {
	for attempt := 1; ; {
		var err error
		var took time.Duration
		switch {
		case !st.bare || !st.run.unheard(r):
			*u = *new(U) // middleware may make a success of a panic, which has no result
			took, err = st.dressed(r, attempt, func(ctx context.Context) error { return f.try(ctx, v, u) })
		case st.run.timed:
			began := clock()
			if err = f.try(r, v, u); err != nil {
				took = clock() - began
			}
		default:
			err = f.try(r, v, u)
		}
		if err == nil && r.counts() {
			if attempt > 1 {
				w.holds(nil)
			}
			return r
		}
		if err == nil { // too late: its context had ended
			st.leave(w, r)
			return nil
		}
		if r.joint != nil && pass != nil {
			r = splitFailed(w, r, v, err, pass)
		}
		if attempt = st.failed(w, r, attempt, took, err, func() any { return *v }); attempt == 0 {
			return nil
		}
	}
}

// call is a user's function at work: of *v it makes *u.
type call[T, U any] func(ctx context.Context, v *T, u *U) error

// try turns a panic into an error.
func (f call[T, U]) try(ctx context.Context, v *T, u *U) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = panicked(recover())
		}
	}()
	err = f(ctx, v, u)
	returned = true
	return err
}

// dressed runs one attempt with the step's timeout, observers and middleware around it.
func (st *step) dressed(r *record, attempt int, f func(context.Context) error) (took time.Duration, err error) {
	var ctx context.Context = r
	c := &attemptOf{st: st, r: r, n: attempt, f: f}
	if st.timeout > 0 {
		timed, cancel := st.timed(ctx)
		defer cancel()
		o := st.run.overruns
		defer o.leave(o.enter(c))
		ctx = timed
	}
	ls := st.run.listeners
	for i := range ls {
		if l := &ls[i]; l.stepStart != nil && l.wants(r) {
			st.run.hear(func() { ctx = l.stepStart(ctx, c) })
		}
	}
	var began time.Duration
	timed := len(ls) > 0 || st.run.timed
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
	if timed {
		c.took = clock() - began
	}
	for i := len(ls) - 1; i >= 0; i-- {
		if l := &ls[i]; l.stepDone != nil && l.wants(r) {
			st.run.hear(func() { l.stepDone(ctx, c, err) })
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

// clockStart is where clock begins.
var clockStart = time.Now()

// clock is the monotonic time, which costs half of what time.Now does.
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

// attemptKey is the context key under which the innermost handler finds its attempt: middleware is
// wrapped once per step, not once per call.
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
		h = m(h)
	}
	return h
}

func (a *attemptOf) Step() string { return a.st.name }
func (a *attemptOf) Meta() Meta   { return a.r.meta() }
func (a *attemptOf) Attempt() int { return a.n }
func (a *attemptOf) Records() int { return int(a.r.size()) }
func (a *attemptOf) Batch() bool  { return a.r.joint != nil }

func (a *attemptOf) Duration() time.Duration { return a.took }

// splitFailed passes on what did not fail of a failed batch, as a *PartialError tells, and returns
// the record of the rest; *v becomes the rest as well. Where *v is no longer the batch, nothing can
// be told apart.
func splitFailed[T any](w *worker, r *record, v *T, err error, pass push[T]) *record {
	bad := failedOf(err, len(r.joint.members))
	if bad == nil || r.joint.holds.Load() != 1 {
		return r
	}
	var good []int
	for i, b := 0, 0; i < len(r.joint.members); i++ {
		if b < len(bad) && bad[b] == i {
			b++
			continue
		}
		good = append(good, i)
	}
	goodVal, ok := r.joint.subset(*v, good)
	if !ok {
		return r
	}
	badVal, _ := r.joint.subset(*v, bad)
	g, group := goodVal.(T), w.group
	pass(w, r.join(good), &g)
	w.group, *v = group, badVal.(T)
	return r.join(bad)
}

// join is a batch of some of the members of r.
func (r *record) join(members []int) *record {
	j := &joint{subset: r.joint.subset, mixed: r.joint.mixed}
	for _, i := range members {
		j.members = append(j.members, r.joint.members[i])
	}
	j.holds.Store(1)
	return jointRecord(r.part, j)
}
