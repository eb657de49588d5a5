package stream

import (
	"context"
	"fmt"
)

// listener is an observer that hears of attempts.
type listener struct {
	Observer
	bit uint16 // in record.heard
}

// listen sorts the observers by what they want to hear.
func (r *run) listen() {
	for _, o := range r.opts.observers {
		if o.Event != nil {
			r.events = append(r.events, o.Event)
		}
		r.timed = r.timed || o.Timed
		if o.Begin == nil && o.StepStart == nil && o.StepDone == nil {
			continue
		}
		l := listener{o, 1 << min(len(r.listeners), 15)} // those from the 16th on share a bit: they may hear more than they asked for
		r.listeners = append(r.listeners, l)
		if o.Begin != nil {
			r.begins = true
		}
		if o.StepStart != nil || o.StepDone != nil {
			r.attempts |= l.bit
			if o.Begin == nil {
				r.always |= l.bit
			}
		}
	}
}

// begin asks the observers whether they want to hear of a record, and notes the context that they make of its own.
func (r *run) begin(rec *record) {
	var ctx context.Context = plain{rec}
	made := ctx
	rec.heard = r.always
	for i := range r.listeners {
		l := &r.listeners[i]
		if l.Begin == nil {
			continue
		}
		hear := false
		r.hear(func() { made, hear = l.Begin(made) })
		if hear {
			rec.heard |= l.bit
		}
	}
	if made != ctx {
		rec.slab.Payload.(values).setContext(rec.i, made)
	}
}

// unheard reports whether no observer wants to hear of an element's attempts.
func (r *run) unheard(rec *record) bool {
	return r.attempts == 0 || r.begins && rec.joint == nil && rec.heard&r.attempts == 0
}

// wants reports whether l is to hear of an element's attempts.
func (l *listener) wants(rec *record) bool {
	return l.Begin == nil || rec.joint != nil || rec.heard&l.bit != 0
}

func (r *run) emit(e Event) {
	for _, f := range r.events {
		r.hear(func() { f(e) })
	}
}

// hear calls an observer. A panic of it is no failure of the element, which policies would decide about: it ends the pipeline.
func (r *run) hear(f func()) {
	returned := false
	defer func() {
		if !returned {
			r.fail(fmt.Errorf("an observer: %w", panicked(recover())))
		}
	}()
	f()
	returned = true
}
