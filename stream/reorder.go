package stream

import (
	"sync"

	"github.com/laneway-go/laneway/internal/lane"
)

// reorder lets the results of an unordered step leave in the order in which its elements came
// (KeepOrder), per partition. Each element takes a slot as it comes; results wait in their slot
// until all earlier slots are through.
type reorder struct {
	mu    sync.Mutex // guards what follows; nothing is called under it
	slots []*slot
	busy  bool // a worker is passing results on
	dead  bool // one was given up below while the partition was closing: none may overtake it
}

// slot is the place of one element in the order, and the task that carries it.
type slot struct {
	lane.Task
	inner *lane.Task
	held  []held
	done  bool
	left  bool // its element was given up unfinished: nothing behind it is passed on
}

// held is a result that waits.
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

// through says that an element's work is over, and passes on what is next in order. One worker does
// so at a time.
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

// linkOrdered puts results into the slot of the element they came from.
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
