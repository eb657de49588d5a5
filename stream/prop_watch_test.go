package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// fault is what a handler of the test fails with.
type fault struct {
	at     int
	it     item
	panics bool
}

func (f *fault) Error() string { return fmt.Sprintf("planned at %d for %v", f.at, f.it) }

// errCancelled is what a handler returns that has seen its context end.
var errCancelled = errors.New("the handler's context has ended")

// tie is what one assignment of a partition keeps, reached through the context of its handlers: so
// that a handler of an assignment that has ended is not taken for one of the next.
type tie struct {
	e     *epoch
	above *book
	below *book
}

// book is what was started since the assignment, or since its last Resume: by word.
type book struct {
	started map[deed]bool
	done    map[deed]bool
	// by word and lane: started and not resolved; true: the last attempt failed
	open map[string]map[item]bool
	last map[string]item // by word and order: started last
	// of an element of a batch that may be divided: where in the batch
	place map[deed]int
	acks  map[string]item // by lane: what has to be committed before the next may start
}

func newBook() *book {
	return &book{map[deed]bool{}, map[deed]bool{}, map[string]map[item]bool{}, map[string]item{}, map[deed]int{}, map[string]item{}}
}

// epoch is one assignment of a partition to a life.
type epoch struct {
	*tally
	part    int
	from    int64
	earlier map[int64]bool // finished in earlier assignments, and stored
	rereads bool           // a lane that filled MaxInFlight was set aside, perhaps below some of those
	began   map[int64]bool // records of which some handler was called
	calls   map[int64]int  // of records, in progress, above the commit
	front   int64          // the last of them, before closing
	closing bool           // nothing new may begin behind front
	// but the Write of these To, which waited for an earlier assignment's of the partition
	behind map[int]bool
	frozen bool           // nor here
	ended  bool           // nothing of it counts any more
	last   time.Time      // when a call last ended
	lastIn string         // its lane
	tied   bool           // at that instant, calls of other lanes have ended too
	asked  bool           // Resume or Skip was called, and the halt has not ended yet
	rested map[int64]bool // records that were finished then
	// by an operator; the next owner of the partition gets them again unless that was committed
	skipped map[int64]bool
	tie     *tie            // once a handler was called
	parks   map[parkOf]bool // true: seen while nothing ran
	alone   map[int64]bool  // parked without their lane, and released: in no order with others
}

// write is where a To is at work, and for which assignment.
type write struct {
	at int
	e  *epoch
}

// close notes that nothing new may begin in an assignment. w.mu is held.
func (e *epoch) close(w *world) {
	e.closing, e.behind = true, map[int]bool{}
	for k := range w.writing {
		if k.e != e && k.e.part == e.part && w.m.words[k.at].kind == toWord {
			e.behind[k.at] = true
		}
	}
}

var tieKey = new(int)

// watched is one call of a handler.
type watched struct {
	l     *life
	t     *tie
	b     *book
	at    int
	items []item
	r     *rule
}

// begin notes a call and checks everything that a call may rely on. w.mu is held.
func (c *watched) begin() {
	w, e := c.l.w, c.t.e
	for _, it := range c.items {
		c.assigned(e, it)
	}
	delete(e.behind, c.at)
	w.writing[write{c.at, e}]++
	c.b = c.t.below
	if !c.r.below {
		c.b = c.t.above
	}
	for _, it := range c.items {
		d := deed{c.at, it}
		if c.b.done[d] {
			w.violate("handled twice: %v again at %d, in one assignment", it, c.at)
		}
		if c.r.below {
			c.belowCommit(d)
		} else {
			e.calls[it.Off]++
		}
		e.began[it.Off] = true
		if !e.closing {
			e.front = max(e.front, it.Off)
		}
	}
	c.lane()
	for _, it := range c.items {
		c.b.started[deed{c.at, it}] = true
	}
	c.l.busy(c.r, c.items[0].P, 1)
}

// assigned: nothing new begins on a partition that was given back, lost or frozen.
func (c *watched) assigned(e *epoch, it item) {
	w := c.l.w
	if it.P != e.part {
		w.violate("wrong context: %v came with that of partition %d", it, e.part)
	}
	if it.Off < e.from && !c.r.below { // below a commit, work outlives its assignment
		w.violate("wrong assignment: %v is below its beginning %d", it, e.from)
	}
	if e.earlier[it.Off] && !e.rereads {
		w.violate("finished earlier, handled again: %v at %d", it, c.at)
	}
	if e.began[it.Off] || c.r.below || !w.m.showsBegin {
		return
	}
	switch {
	case e.ended:
		w.violate("started after the end: %v at %d", it, c.at)
	// where only the watermark is stored, what lies before a started record is finished, so
	// that the commit gets as far as the work did
	case e.closing && (it.Off > e.front || w.keepsAhead()) && !e.behind[c.at]:
		w.violate("started while closing: %v at %d", it, c.at)
	case e.frozen:
		w.violate("started while halted: %v at %d", it, c.at)
	case e.parked(it):
		w.violate("started while parked: %v at %d", it, c.at)
	}
}

// resumed checks that everything started before a halt has settled when it ends. w.mu is held.
func (e *epoch) resumed(w *world) {
	e.asked = false
	for off, n := range e.calls {
		if n > 0 {
			w.violate("resumed too early: %d@%d was worked on", e.part, off)
		}
	}
	if e.tie != nil {
		e.tie.above = newBook()
	}
}

// belowCommit: an element passes a commit once, and only behind the acknowledgement.
func (c *watched) belowCommit(d deed) {
	w := c.l.w
	if at := w.log.Committed(d.it.P); at <= d.it.Off {
		w.violate("passed the commit too early: %v at %d, %d is committed", d.it, d.at, at)
	}
	if t := w.passed[d]; t != nil && t != c.t {
		w.violate("handled twice below the commit: %v at %d", d.it, d.at)
	}
	w.passed[d] = c.t
}

// apart: a write has no element of its group.
func (c *watched) apart(o item) bool {
	return c.l.w.m.words[c.at].kind == toWord && !slices.ContainsFunc(c.items, func(it item) bool { return c.r.group.of(it) == c.r.group.of(o) })
}

// lane: one after another, in order.
func (c *watched) lane() {
	w := c.l.w
	if e := c.t.e; e.rested[c.items[0].Off] && !c.r.below && w.m.endsInHandler {
		w.violate("finished before the halt, run again: %v at %d", c.items, c.at)
	}
	if c.r.lane == noLane {
		return
	}
	lane := fmt.Sprint(c.at, ":", c.r.lane.of(c.items[0]))
	open := c.b.open[lane]
	mine := map[item]bool{}
	if w.m.words[c.at].bisect || w.m.words[c.at].kind == toWord { // a write is bisected, too
		if !has(open, c.items[0]) {
			for i, it := range c.items {
				c.b.place[deed{c.at, it}] = i
			}
		}
		// where this is a part, the others of its batch wait, and those before it where no order is
		// kept, or where they are of another group: a write may try one to see whether any succeeds
		loose := c.r.order == nil
		for o, failed := range open {
			if has(open, c.items[0]) && (loose || c.b.place[deed{c.at, c.items[0]}] <= c.b.place[deed{c.at, o}] || c.apart(o)) {
				mine[o] = failed
			}
		}
	}
	for _, it := range c.items {
		mine[it] = false
		if order := c.order(it); c.r.order != nil && !has(open, it) && !c.t.e.alone[it.Off] {
			if last, ok := c.b.last[order]; ok && !last.before(it) {
				w.violate("out of order: %v began behind %v at %d", it, last, c.at)
			}
			c.b.last[order] = it
		}
	}
	for o, failed := range open {
		// below a commit what ends the pipeline is lost, the rest continues
		if !has(mine, o) && !(failed && c.t.e.leaves(o)) && !(failed && c.r.below && (w.loss || !c.r.ending)) {
			w.violate("lane not held: %v began at %d while %v was unresolved", c.items, c.at, o)
		}
	}
	c.b.open[lane] = mine
	if it, ok := c.b.acks[lane]; ok && !w.stored(c.t.e.part, it.Off) && !c.t.e.leaves(it) {
		w.violate("CommitEach let %v begin before the commit of %v was acknowledged", c.items, it)
	}
	delete(c.b.acks, lane)
}

func has(m map[item]bool, it item) bool { _, ok := m[it]; return ok }

// end notes what became of a call; failed are those it failed for. w.mu is held.
func (c *watched) end(failed map[item]bool) {
	w, e := c.l.w, c.t.e
	c.l.busy(c.r, c.items[0].P, -1)
	if k := (write{c.at, e}); w.writing[k] == 1 {
		delete(w.writing, k)
	} else {
		w.writing[k]--
	}
	for _, it := range c.items {
		if !c.r.below {
			if e.calls[it.Off]--; e.calls[it.Off] == 0 {
				delete(e.calls, it.Off)
			}
		}
		lane := fmt.Sprint(c.at, ":", c.r.lane.of(c.items[0]))
		now := time.Now()
		e.tied = e.last.Equal(now) && (e.tied || e.lastIn != lane)
		e.last, e.lastIn = now, lane
		if failed[it] {
			if open := c.b.open[lane]; open != nil {
				open[it] = true
			}
			continue
		}
		d := deed{c.at, it}
		exact := c.r.last && it.Path == "" && w.sc.unique && !c.r.below && c.r.lane != noLane
		var mark int64
		if exact {
			mark = w.watermark(e)
		}
		c.b.done[d], e.done[d], w.ever.done[d] = true, true, true
		delete(c.b.open[lane], it)
		// Of calls that end at the same instant in several lanes, any may be the one that moves the
		// watermark.
		moves := mark <= it.Off && w.watermark(e) > it.Off && !e.tied && w.through(e, c.at, it.Off)
		if exact && !e.frozen && (moves || w.keepsAhead()) {
			c.b.acks[lane] = it
		}
	}
}

// call is what every handler of the test does.
func (l *life) call(ctx context.Context, at int, items []item, split bool) error {
	w := l.w
	t := stream.StateOf(ctx, tieKey, func() *tie { return &tie{above: newBook(), below: newBook()} })
	w.mu.Lock()
	if t.e == nil {
		t.e = l.cur[items[0].P]
	}
	if !w.m.rules[at].below { // work there has a tie of its own
		t.e.tie = t
	}
	split = split && w.m.rules[at].split
	c := &watched{l: l, t: t, at: at, items: items, r: &w.m.rules[at]}
	c.begin()
	d, deaf, errs := w.plan(at, items)
	w.mu.Unlock()

	cancelled := !rest(ctx, d, deaf)
	w.mu.Lock()
	defer w.mu.Unlock()
	failed := map[item]bool{}
	partial := &stream.PartialError{Errs: map[int]error{}}
	var first error
	for i, it := range items {
		switch err := errs[it]; {
		case cancelled:
			failed[it], first = true, errCancelled
		case err != nil:
			partial.Errs[i] = err
			if f := (*fault)(nil); first == nil || errors.As(err, &f) && f.panics {
				first = err
			}
			failed[it] = true
		}
	}
	var f *fault
	panics := errors.As(first, &f) && f.panics
	if first != nil && (!split || cancelled || panics) {
		for _, it := range items {
			failed[it] = true
		}
	}
	c.end(failed)
	switch {
	case panics:
		panic(first)
	case first != nil && split && !cancelled:
		return partial
	}
	return first
}

// rest takes d of (virtual) time; false: the context ended first.
func rest(ctx context.Context, d time.Duration, deaf bool) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	if deaf {
		<-timer.C
		return true
	}
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
