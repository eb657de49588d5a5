package stream_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/laneway-go/laneway/stream"
)

// park makes every HaltOnError of the scenario a ParkOnError if Build takes that.
func (sc *scenario) park() {
	if sc.ahead == 0 {
		return
	}
	words := slices.Clone(sc.words)
	for i := range words {
		if words[i].kind == haltWord {
			words[i].kind = parkWord
		}
	}
	from := stream.ReplaceSource(func() stream.Source[item] { return quietItems{} })
	if _, err := propChain(propSources(1, false), words, &life{}).Build(from); err == nil {
		sc.words = words
	}
}

// quietItems is a source that is never run.
type quietItems struct{ stream.Source[item] }

func (quietItems) Info() stream.SourceInfo { return stream.SourceInfo{Name: "quiet", StateBytes: 4096} }

// parkOf is what is parked: a key from an offset on, or a span of records.
type parkOf struct {
	lane     bool
	key      string
	from, to int64
}

func parked(h stream.Halt) parkOf {
	if h.Scope == stream.ScopeLane {
		return parkOf{lane: true, key: string(h.Meta.Key), from: h.Meta.Offset}
	}
	return parkOf{from: h.Meta.Offset, to: h.Last}
}

// covers reports whether it is parked. Of a batch in no order it is not known which records are.
func (p parkOf) covers(it item) bool { return p.may(it) && (p.lane || p.from == p.to) }

func (p parkOf) may(it item) bool {
	if p.lane {
		return it.Key == p.key && it.Off >= p.from
	}
	return p.from <= it.Off && it.Off <= p.to
}

// parked reports whether it was parked when nothing ran, so that it must not start.
func (e *epoch) parked(it item) bool {
	for p, still := range e.parks {
		if still && p.covers(it) {
			return true
		}
	}
	return false
}

// leaves reports whether it has left its lanes since it is parked, if an attempt has failed.
func (e *epoch) leaves(it item) bool {
	for p := range e.parks {
		if p.may(it) {
			return true
		}
	}
	return false
}

// unparked checks that nothing of what is released is worked on, and has it start again, at the
// first step. w.mu is held.
func (e *epoch) unparked(w *world, h stream.Halt) {
	p := parked(h)
	delete(e.parks, p)
	for _, it := range w.records {
		if it.P == e.part && p.covers(it) && e.calls[it.Off] > 0 {
			w.violate("released too early: %v was worked on", it)
		}
	}
	for off := p.from; !p.lane && off <= p.to; off++ {
		e.alone[off] = true
	}
	if e.tie == nil {
		return
	}
	b := e.tie.above
	for _, open := range b.open {
		maps.DeleteFunc(open, func(it item, _ bool) bool { return p.may(it) })
	}
	of := func(d deed, _ bool) bool { return p.may(d.it) }
	maps.DeleteFunc(b.started, of)
	maps.DeleteFunc(b.done, of)
	// a record alone comes behind those that have passed it, in the steps above too
	maps.DeleteFunc(b.last, func(_ string, it item) bool { return !p.lane || p.may(it) })
}

// order names the elements that c's is in order with. Where a lane may be parked, it is only in
// order with those of its key. An operator may park one where Map and FlatMap alone keep an order
// of several keys, since they have no effect: the model once took that order for promised.
func (c *watched) order(it item) string {
	order := fmt.Sprint(c.at, ":", orderOf(c.r.order, it))
	if c.l.w.parks() {
		order += "|" + it.Key
	}
	return order
}

// parks reports whether a word, or an operator, may park a lane.
func (w *world) parks() bool {
	return slices.ContainsFunc(w.sc.words, func(w word) bool { return w.kind == parkWord }) ||
		slices.ContainsFunc(w.sc.ops, func(o op) bool { return o.kind == holdOp && !o.all })
}

// unpark asks for the end of a park.
func (w *world) unpark(e *epoch, h stream.Halt, release func(stream.Halt) error, skip int64) {
	w.mu.Lock()
	was := e.skipped[skip]
	e.skipped[skip] = true
	w.mu.Unlock()
	if release(h) == nil {
		w.skips(e, skip)
		return
	}
	w.mu.Lock()
	e.skipped[skip] = was
	w.mu.Unlock()
}
