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
	done  bool
	left  bool // its element was abandoned: no later result is passed on
}

// held is a waiting result.
type held struct {
	r *record
	v any
}

func (s *slot) carrier() carrier { return carrierOf(s.inner) }
func (s *slot) record() *record  { return s.carrier().record() }
func (s *slot) groupID() uint64  { return s.carrier().groupID() }
func (s *slot) owner() *part     { return s.carrier().owner() }

func (o *reorder) enter(t *lane.Task) *lane.Task {
	s := &slot{inner: t}
	s.Kind = kindOfSlot
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
	defer o.mu.Unlock()
	s.done = true
	if o.busy {
		return
	}
	o.busy = true
	for len(o.slots) > 0 && o.slots[0].done {
		next := o.slots[0]
		o.slots[0] = nil
		o.slots, w.left = o.slots[1:], o.dead || next.left
		o.mu.Unlock()
		for _, h := range next.held {
			if w.stops(h.r) {
				h.r.abandon()
			} else {
				w.group = 0
				w.cur.Store(h.r)
				w.ordered(w, h)
			}
		}
		o.mu.Lock()
		o.dead = w.left
	}
	o.busy = false
}

// linkOrdered puts results into the slot of their element.
func linkOrdered[T any](w *worker, next any) any {
	nx := next.(push[T])
	w.ordered = func(w *worker, h held) {
		v := h.v.(T)
		nx(w, h.r, &v)
	}
	return push[T](func(w *worker, r *record, v *T) {
		w.slot.held = append(w.slot.held, held{r, *v})
	})
}

func (sg *stage) orderOf(p *part) *reorder { return p.orders[sg.index].(*reorder) }
