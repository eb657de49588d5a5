package stream

import (
	"context"
	"fmt"
)

// ear is the funcs of an observer that a run calls.
type ear struct {
	begin     func(ctx context.Context) (c context.Context, hear bool)
	stepStart func(ctx context.Context, c Call) context.Context
	stepDone  func(ctx context.Context, c Call, err error)
	event     func(e Event)
	timed     bool
}

// listener is an observer that hears of attempts.
type listener struct {
	ear
	bit uint16 // in record.Marks
}

// listen registers the observers by the funcs they have.
func (r *run) listen(ears []ear) {
	for _, o := range ears {
		if o.event != nil {
			r.events = append(r.events, o.event)
		}
		r.timed = r.timed || o.timed
		if o.begin == nil && o.stepStart == nil && o.stepDone == nil {
			continue
		}
		// observers from the 16th on share a bit and may hear more than they asked for
		l := listener{o, 1 << min(len(r.listeners), 15)}
		r.listeners = append(r.listeners, l)
		if o.begin != nil {
			r.greeters = append(r.greeters, l)
		}
		if o.stepStart != nil || o.stepDone != nil {
			r.attempts |= l.bit
			if o.begin == nil {
				r.always |= l.bit
			}
		}
	}
}

// begin calls the start hooks for a record. They decide which observers hear of its attempts. If
// they made a context for it, begin stores and returns that; otherwise it returns nil.
func (r *run) begin(rec *record) (noted *context.Context) {
	returned := false
	ctx := context.Context(plain{rec})
	made, heard := ctx, r.always
	defer func() { // like hear, but once for all hooks, since this runs for every record
		if !returned {
			r.observerPanicked(recover())
		}
		rec.Marks = heard
		if made != ctx {
			noted = new(made)
			rec.slab.Payload.(values).setContext(rec.Index, noted)
		}
	}()
	for i := range r.greeters {
		c, hear := r.greeters[i].begin(made)
		if made = c; hear {
			heard |= r.greeters[i].bit
		}
	}
	returned = true
	return
}

// through drops the context that the start hooks made if the record has finished with its worker.
// Otherwise that context would live as long as the slab.
func (r *run) through(rec *record, noted *context.Context) {
	if r.forgets && rec.slab.Tickets[rec.Index].AtRest() {
		rec.slab.Payload.(values).dropContext(rec.Index, noted)
	}
}

// unheard reports whether no observer hears of an element's attempts.
func (r *run) unheard(rec *record) bool {
	return r.attempts == 0 || len(r.greeters) > 0 && rec.joint == nil && rec.Marks&r.attempts == 0
}

// wants reports whether l hears of an element's attempts.
func (l *listener) wants(rec *record) bool {
	return l.begin == nil || rec.joint != nil || rec.Marks&l.bit != 0
}

func (r *run) emit(e Event) {
	for _, f := range r.events {
		r.hear(func() { f(e) })
	}
}

// hear calls an observer.
func (r *run) hear(f func()) {
	returned := false
	defer func() {
		if !returned {
			r.observerPanicked(recover())
		}
	}()
	f()
	returned = true
}

// observerPanicked ends the pipeline. A panic of an observer is no failure of the element, so the
// policies are not asked.
func (r *run) observerPanicked(value any) { r.fail(fmt.Errorf("an observer: %w", panicked(value))) }
