package stream

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Postpone makes an error of a handler, or of middleware, that is no attempt: the call was not
// made, or what it met says nothing of the element, such as an outage of what is called. The
// element waits in wait, without a worker and holding its lane, and its step runs again when wait
// returns nil. An element beyond MaxWaiting keeps its worker, and its step runs again after a
// second at most. No policy hears of it and no attempt is used up; the event is Postponed. An
// error of wait is the attempt's failure, for the policies.
//
// The context that wait gets ends when waiting is over: in a drain, and when the partition halts
// or goes. A step that is postponed again and again has to be held up by wait, since nothing else
// bounds it. ops.Breaker is made of this. One of your own may read:
//
//	return stream.Postpone(errBusy, server.WaitUntilFree)
//
// It is found by errors.As, but not inside a *PartialError, nor below Permanent, and not where a
// step cannot run again (Transform).
func Postpone(err error, wait func(ctx context.Context) error) error {
	return &PostponedError{err, wait}
}

// PostponedError is what Postpone makes. It adds nothing to the text of Err.
type PostponedError struct {
	Err  error // why
	Wait func(ctx context.Context) error
}

func (e *PostponedError) Error() string { return fmt.Sprint(e.Err) }

// Unwrap returns why.
func (e *PostponedError) Unwrap() error { return e.Err }

// postponed finds what Postpone made in an error; nil: it is a failure.
func postponed(err error) *PostponedError {
	p, ok := errors.AsType[*PostponedError](err)
	if !ok || p.Wait == nil || IsPermanent(err) {
		return nil
	}
	if _, parts := errors.AsType[*PartialError](err); parts {
		return nil
	}
	return p
}

// postpone waits until the step is to run again. Where it is not, bad is the failure instead; nil:
// the element was given up, and its hold given back.
func (st *step) postpone(w *worker, r *record, f func() Failure, e *PostponedError) (again bool, bad error) {
	if !st.goesOn(w, r) {
		return false, nil
	}
	ctx := waiting{r, r.stopped()}
	short := func() {
		c, cancel := context.WithTimeout(ctx, shortWait)
		defer cancel()
		if bad = st.holdUp(c, w, f(), e); c.Err() != nil {
			bad = nil
		}
	}
	switch {
	case r.joint != nil && r.joint.mixed: // no end of a partition ends its waits
		w.wait(short)
	case !w.tryWait(func() { bad = st.holdUp(ctx, w, f(), e) }):
		short()
	}
	if !st.goesOn(w, r) {
		return false, nil
	}
	return bad == nil, bad
}

// shortWait is how long an element waits at a time that has to keep its worker. Those that wait
// without one need one to go on, and if all are kept there is none: so one that has its own tries
// again.
const shortWait = time.Second

// holdUp is run.holdUp of a worker's element, where Explain sees it.
func (st *step) holdUp(ctx context.Context, w *worker, f Failure, e *PostponedError) error {
	w.holds(lasts(CausePostponed, st.name, f, 0))
	defer w.holds(nil)
	return st.run.holdUp(ctx, f, e)
}

// holdUp tells of an element that is postponed, and waits.
func (r *run) holdUp(ctx context.Context, f Failure, e *PostponedError) error {
	r.emit(Postponed{f})
	r.postponed.Add(1)
	defer r.postponed.Add(-1)
	return guarded(func() error { return e.Wait(ctx) })
}

// waiting is the context of a wait for a record: it ends when the wait must be given up.
type waiting struct {
	*record
	stop <-chan struct{}
}

func (w waiting) Done() <-chan struct{} { return w.stop }

func (w waiting) Err() error {
	select {
	case <-w.stop:
		return context.Canceled
	default:
		return nil
	}
}

func (w waiting) Deadline() (time.Time, bool) { return time.Time{}, false }

// Tell has the observers hear a StepEvent, such as a change that an operator or a middleware of
// your own has seen. ctx is a handler's, or a middleware's; false: it is not. Step is empty where
// nothing is wrapped around the handler.
func Tell(ctx context.Context, name, text string, err error) bool {
	if a, ok := ctx.Value(attemptKey{}).(*attemptOf); ok {
		a.st.run.emit(StepEvent{a.st.name, name, text, err})
		return true
	}
	r, ok := ctx.Value(lineageKey{}).(*record)
	if ok {
		r.part.host.emit(StepEvent{"", name, text, err})
	}
	return ok
}
