package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Postpone returns an error for handlers and middleware that does not count as an attempt. Use it
// if the call was not made, or if its failure says nothing about the element, such as an outage of
// the server called:
//
//	return stream.Postpone(errBusy, server.WaitUntilFree)
//
// The element then waits in wait, and its step runs again once wait returns nil. The element holds
// its lane while it waits, but no worker. Beyond MaxWaiting it keeps its worker, and its step runs
// again after at most a second. No policy is asked and no attempt is used up. The event is
// Postponed. If wait fails, its error is the failure of the attempt, for the policies.
//
// The context of wait is cancelled in a drain and when the partition is halted or lost. Nothing but
// wait limits how often a step is postponed, so wait must block until a call makes sense again.
// ops.Breaker is built on Postpone.
//
// The error may be wrapped: it is matched with errors.As. It counts as an ordinary failure inside
// Permanent, and in a step that cannot run again (Transform). Elements that a *PartialError names
// with such errors wait together, in the wait of the first one, and only they run again. If that
// wait fails, the policies decide about the others by their own errors.
func Postpone(err error, wait func(ctx context.Context) error) error {
	return &PostponedError{err, wait}
}

// PostponedError is the error that Postpone returns. Its text is that of Err.
type PostponedError struct {
	Err  error // the reason
	Wait func(ctx context.Context) error
}

func (e *PostponedError) Error() string { return fmt.Sprint(e.Err) }

// Unwrap returns Err.
func (e *PostponedError) Unwrap() error { return e.Err }

// Whole returns true, since no single element is the cause: see IsWhole.
func (e *PostponedError) Whole() bool { return true }

// postponed returns the PostponedError in err, or nil if err is an ordinary failure. If err names
// members, it is postponed if each of them is.
func postponed(err error) (p *PostponedError) {
	if part, is := errors.AsType[*PartialError](err); is {
		for _, i := range slices.Sorted(maps.Keys(part.Errs)) {
			switch one := postponed(part.Errs[i]); {
			case part.Errs[i] == nil:
			case one == nil:
				return nil
			case p == nil:
				p = one
			}
		}
		return p
	}
	p, ok := errors.AsType[*PostponedError](err)
	if !ok || p.Wait == nil || IsPermanent(err) {
		return nil
	}
	return p
}

// postpone waits and reports whether the step is to run again. If not, bad is the failure of the
// attempt. A nil bad means that the element was given up and its hold was given back.
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
	case r.joined != nil && r.joined.mixed: // a halt of one partition does not end its waits
		w.wait(short)
	case !w.tryWait(func() { bad = st.holdUp(ctx, w, f(), e) }):
		short()
	}
	if !st.goesOn(w, r) {
		return false, nil
	}
	return bad == nil, bad
}

// shortWait limits the wait of an element that keeps its worker. Elements that wait without a
// worker need one to continue, and would never get one if all workers waited without a limit.
const shortWait = time.Second

// holdUp is executor.holdUp for an element of a worker, so that Explain sees it.
func (st *step) holdUp(ctx context.Context, w *worker, f Failure, e *PostponedError) error {
	w.holds(lasts(CausePostponed, st.name, f, 0))
	defer w.holds(nil)
	return st.exec.holdUp(ctx, f, e)
}

// holdUp emits Postponed and waits.
func (x *executor) holdUp(ctx context.Context, f Failure, e *PostponedError) error {
	x.emit(Postponed{f})
	x.postponed.Add(1)
	defer x.postponed.Add(-1)
	return guarded(func() error { return e.Wait(ctx) })
}

// waiting is the context of a wait for a record. It is cancelled when the wait must end.
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

// Tell sends a StepEvent to the observers. Use it in an operator or middleware of your own, for
// example to report a change of its state. ctx is the context of a handler or middleware; Tell
// returns false if it is not. The event's Step is empty if the step has no middleware.
func Tell(ctx context.Context, name, text string, err error) bool {
	if a, ok := ctx.Value(attemptKey{}).(*attemptOf); ok {
		a.st.exec.emit(StepEvent{a.st.name, name, text, err})
		return true
	}
	r, ok := ctx.Value(lineageKey{}).(*record)
	if ok {
		r.part.host.emit(StepEvent{"", name, text, err})
	}
	return ok
}
