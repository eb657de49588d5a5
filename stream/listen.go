package stream

import (
	"context"
	"fmt"
)

// ear is an observer, as far as a run knows it.
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
	bit uint16 // in record.heard
}

// listen sorts the observers by what they want to hear.
func (r *run) listen(ears []ear) {
	for _, o := range ears {
		if o.event != nil {
			r.events = append(r.events, o.event)
		}
		r.timed = r.timed || o.timed
		if o.begin == nil && o.stepStart == nil && o.stepDone == nil {
			continue
		}
		// those from the 16th on share a bit: they may hear more than they asked for
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

// begin asks the observers whether they want to hear of a record, and notes the context that they
// make of its own, which it returns; nil: they made none.
func (r *run) begin(rec *record) (noted *context.Context) {
	returned := false
	ctx := context.Context(plain{rec})
	made, heard := ctx, r.always
	defer func() { // as hear does, once for all of them: this is done for every record
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

// through lets go of the context of a record that is finished when its worker is: what observers
// have made of it would otherwise live as long as the slab.
func (r *run) through(rec *record, noted *context.Context) {
	if r.forgets && rec.slab.Tickets[rec.Index].AtRest() {
		rec.slab.Payload.(values).dropContext(rec.Index, noted)
	}
}

// unheard reports whether no observer wants to hear of an element's attempts.
func (r *run) unheard(rec *record) bool {
	return r.attempts == 0 || len(r.greeters) > 0 && rec.joint == nil && rec.Marks&r.attempts == 0
}

// wants reports whether l is to hear of an element's attempts.
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

// observerPanicked ends the pipeline: a panic of an observer is no failure of the element, which
// policies would decide about.
func (r *run) observerPanicked(value any) { r.fail(fmt.Errorf("an observer: %w", panicked(value))) }
