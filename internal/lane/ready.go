package lane

import (
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/fifo"
)

// ready holds the tasks waiting for a worker: a queue per set, and a ring of the sets whose queue
// is not empty. The sets take rounds, so that a backlog in one set delays another by at most one
// round. A round has as many tasks as there are workers, or up to roundMax while no other set has
// any.
//
// Workers claim tasks of the round without a lock. Pool.mu guards everything else.
type ready struct {
	now   atomic.Pointer[round]
	most  int              // size of a round while other sets wait
	ring  fifo.Queue[*Set] // sets with a non-empty queue
	queue atomic.Bool      // ring is not empty; readable without the lock
}

// roundMax bounds a round. Rounds are never reused, so that a delayed worker cannot claim from
// another round.
const roundMax = 64

type round struct {
	claimed atomic.Int32 // tasks[:claimed] are claimed; may exceed len(tasks)
	set     *Set
	tasks   []*Task
}

func (r *ready) init(slots int) {
	r.most = min(slots, roundMax)
	r.now.Store(new(round))
}

// pop claims a task of the round, or returns nil if none is left.
func (r *ready) pop() *Task {
	now := r.now.Load()
	if int(now.claimed.Load()) >= len(now.tasks) {
		return nil
	}
	i := int(now.claimed.Add(1)) - 1
	if i >= len(now.tasks) {
		return nil
	}
	t := now.tasks[i]
	now.tasks[i] = nil
	return t
}

// next claims a task, from the next round if this one is used up. It returns nil if nothing is
// ready.
func (r *ready) next() *Task {
	if t := r.pop(); t != nil {
		return t
	}
	if r.ring.Empty() {
		return nil
	}
	s := r.ring.Pop()
	most := r.most
	if r.ring.Empty() || s.first.Load() {
		most = roundMax
	}
	now := &round{set: s, tasks: s.queue.PopN(most)}
	if !s.queue.Empty() {
		r.line(s)
	}
	now.claimed.Store(1)
	t := now.tasks[0]
	now.tasks[0] = nil
	r.now.Store(now)
	r.queue.Store(!r.ring.Empty()) // after the round is there: see empty
	return t
}

// push makes tasks of a set ready.
func (r *ready) push(s *Set, ts ...*Task) {
	if s.queue.Empty() {
		r.line(s)
		r.queue.Store(true)
		r.makeWay(s)
	}
	s.queue.Push(ts...)
}

// line queues a set behind the others, or before them if it goes first.
func (r *ready) line(s *Set) {
	if s.first.Load() {
		r.ring.Unpop([]*Set{s})
	} else {
		r.ring.Push(s)
	}
}

// hasten puts a set before the others.
func (r *ready) hasten(s *Set) {
	s.first.Store(true)
	if s.queue.Empty() {
		return
	}
	r.ring.DeleteFunc(func(o *Set) bool { return o == s })
	r.line(s)
	r.makeWay(s)
}

// makeWay queues the set of the current round behind other, which has just become ready, together
// with the rest of a long round.
func (r *ready) makeWay(other *Set) {
	now := r.now.Load()
	if now.set == nil || now.set == other {
		return
	}
	if r.ring.First() == now.set {
		r.ring.Push(r.ring.Pop())
	}
	if len(now.tasks) <= r.most && !other.first.Load() || int(now.claimed.Load()) >= len(now.tasks) {
		return
	}
	k := int(now.claimed.Swap(int32(len(now.tasks))))
	if k >= len(now.tasks) {
		return
	}
	if now.set.queue.Empty() {
		r.ring.Push(now.set)
	}
	now.set.queue.Unpop(now.tasks[k:])
}

// empty reports whether nothing is ready. It needs no lock: tasks that leave the queue are in the
// round by then, and those that leave the round are in the queue.
func (r *ready) empty() bool {
	if r.queue.Load() {
		return false
	}
	now := r.now.Load()
	return int(now.claimed.Load()) >= len(now.tasks) && !r.queue.Load()
}
