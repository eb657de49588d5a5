package stream

import (
	"context"
	"fmt"
	"sync/atomic"
)

// hooks is the funcs of an observer that a run calls.
type hooks struct {
	begin     func(ctx context.Context) (c context.Context, hear bool)
	awake     *atomic.Bool // nil: always
	stepStart func(ctx context.Context, c Call) context.Context
	stepDone  func(ctx context.Context, c Call, err error)
	event     func(e Event)
	timed     bool
}

// listener is an observer that hears of attempts.
type listener struct {
	hooks
	bit uint16 // in record.Marks
}

// observers is who hears of what in a run.
type observers struct {
	end        func(error) // ends the run
	events     []func(Event)
	listeners  []listener
	startHooks []listener // the listeners with a start hook
	attempts   uint16     // bits of the listeners that hear of attempts
	always     uint16     // those of the attempts bits whose listener has no start hook
	timed      bool       // failures have the duration of their attempt
	// a record's payload may go once its ticket is resolved; a tail, or results held back for a
	// transaction, need it longer
	forgets bool
}

// listen registers the observers by the funcs they have.
func (o *observers) listen(hooks []hooks) {
	for _, e := range hooks {
		if e.event != nil {
			o.events = append(o.events, e.event)
		}
		o.timed = o.timed || e.timed
		if e.begin == nil && e.stepStart == nil && e.stepDone == nil {
			continue
		}
		// observers from the 16th on share a bit and may hear more than they asked for
		l := listener{e, 1 << min(len(o.listeners), 15)}
		o.listeners = append(o.listeners, l)
		if e.begin != nil {
			o.startHooks = append(o.startHooks, l)
		}
		if e.stepStart != nil || e.stepDone != nil {
			o.attempts |= l.bit
			if e.begin == nil {
				o.always |= l.bit
			}
		}
	}
}

// begin calls the start hooks for a record. They decide which observers hear of its attempts. If
// they made a context for it, begin stores and returns that; otherwise it returns nil.
func (o *observers) begin(rec *record) (noted *context.Context) {
	if o.asleep() {
		rec.Marks = o.always
		return nil
	}
	returned := false
	ctx := context.Context(plain{rec})
	made, heard := ctx, o.always
	defer func() { // like hear, but once for all hooks, since this runs for every record
		if !returned {
			o.observerPanicked(recover())
		}
		rec.Marks = heard
		if made != ctx {
			noted = new(made)
			rec.slab.Payload.(values).setContext(rec.Index, noted)
		}
	}()
	for i := range o.startHooks {
		if o.startHooks[i].asleep() {
			continue
		}
		c, hear := o.startHooks[i].begin(made)
		if made = given(c); hear {
			heard |= o.startHooks[i].bit
		}
	}
	returned = true
	return
}

// asleep reports whether no start hook is to be called.
func (o *observers) asleep() bool {
	for i := range o.startHooks {
		if !o.startHooks[i].asleep() {
			return false
		}
	}
	return true
}

func (l *listener) asleep() bool { return l.awake != nil && !l.awake.Load() }

// given returns a hook's context. Without one the handlers would fail, and not the observer.
func given(ctx context.Context) context.Context {
	if ctx == nil {
		panic("it returned no context")
	}
	return ctx
}

// through drops the context that the start hooks made if the record has finished with its worker.
// Otherwise that context would live as long as the slab.
func (o *observers) through(rec *record, noted *context.Context) {
	if o.forgets && rec.slab.Tickets[rec.Index].AtRest() {
		rec.slab.Payload.(values).dropContext(rec.Index, noted)
	}
}

// unheard reports whether no observer hears of an element's attempts.
func (o *observers) unheard(rec *record) bool {
	return o.attempts == 0 || len(o.startHooks) > 0 && rec.joined == nil && rec.Marks&o.attempts == 0
}

// wants reports whether l hears of an element's attempts.
func (l *listener) wants(rec *record) bool {
	return l.begin == nil || rec.joined != nil || rec.Marks&l.bit != 0
}

func (o *observers) emit(e Event) {
	for _, f := range o.events {
		o.hear(func() { f(e) })
	}
}

// hear calls an observer.
func (o *observers) hear(f func()) {
	returned := false
	defer func() {
		if !returned {
			o.observerPanicked(recover())
		}
	}()
	f()
	returned = true
}

// observerPanicked ends the pipeline. A panic of an observer is no failure of the element, so the
// policies are not asked.
func (o *observers) observerPanicked(value any) {
	o.end(fmt.Errorf("an observer: %w", panicked(value)))
}
