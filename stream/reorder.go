package stream

import (
	"sync"

	"github.com/laneway-go/laneway/internal/lane"
)

// reorder passes on the results of an unordered step in the order in which its elements arrived
// (KeepOrder), per partition. Each element takes a slot when it arrives. Its results wait in the
// slot until all earlier slots are done.
type reorder struct {
	mu    sync.Mutex // guards the fields below; nothing is called under it
	slots []*slot
	busy  bool // a worker is passing results on
	dead  bool // a drain gave up a result in a later step: none may overtake it
}

// slot is the position of one element in the order, and the task that carries the element.
type slot struct {
	lane.Task
	inner *lane.Task
	held  []held
	one   [1]held // the memory of held, which is enough for most elements
	done  bool
	left  bool // its element was abandoned: no later result is passed on
}

// held is a waiting result.
type held struct {
	r *record
	v any // *T
}

func (s *slot) carrier() carrier { return carrierOf(s.inner) }
func (s *slot) record() *record  { return s.carrier().record() }
func (s *slot) groupID() uint64  { return s.carrier().groupID() }
func (s *slot) owner() *part     { return s.carrier().owner() }

func (o *reorder) enter(t *lane.Task) *lane.Task {
	s := &slot{inner: t}
	s.Kind, s.held = kindOfSlot, s.one[:0]
	o.mu.Lock()
	o.slots = append(o.slots, s)
	o.mu.Unlock()
	return &s.Task
}

// through marks an element's slot as done and passes on the results that are next in order. One
// worker at a time does so.
func (o *reorder) through(w *worker, s *slot) {
	w.slot = nil
	o.mu.Lock()
	s.done = true
	if o.busy {
		o.mu.Unlock()
		return
	}
	o.busy = true
	for n := o.ready(); n > 0; n = o.ready() {
		run, dead := o.slots[:n], o.dead
		o.slots = o.slots[n:]
		o.mu.Unlock()
		for i, next := range run {
			run[i] = nil
			w.left = dead || next.left
			for _, h := range next.held {
				if w.stops(h.r) {
					h.r.abandon()
				} else {
					w.group = 0
					w.cur.Store(h.r)
					w.ordered(w, h)
				}
			}
			dead = w.left
		}
		o.mu.Lock()
		o.dead = dead
	}
	o.busy = false
	o.mu.Unlock()
}

// ready returns how many slots are next in order and done. The caller holds mu.
func (o *reorder) ready() (n int) {
	for n < len(o.slots) && o.slots[n].done {
		n++
	}
	return n
}

// linkOrdered puts results into the slot of their element.
func linkOrdered[T any](w *worker, next any) any {
	nx := next.(push[T])
	w.ordered = func(w *worker, h held) { nx(w, h.r, h.v.(*T)) }
	return push[T](func(w *worker, r *record, v *T) {
		kept := *v
		w.slot.held = append(w.slot.held, held{r, &kept})
	})
}

func (sg *stage) orderOf(p *part) *reorder { return p.orders[sg.index].(*reorder) }
