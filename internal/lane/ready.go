package lane

import (
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/fifo"
)

// ready is the tasks that wait for a worker: a queue per set, and the sets that have some in a
// ring. The sets take rounds, so that a backlog in one of them delays no other by more than one
// round. A round is as many tasks as there are workers, and more of them while no other set has
// any.
//
// Tasks of the round are claimed without a lock; everything else is guarded by Pool.mu.
type ready struct {
	now   atomic.Pointer[round]
	most  int              // tasks of a round while other sets wait
	ring  fifo.Queue[*Set] // sets with a queue that is not empty
	queue atomic.Bool      // ring is not empty, for a look without the lock
}

// roundMax bounds a round. Rounds are left to the garbage collector, so that a worker that was
// overtaken never claims from another one.
const roundMax = 64

type round struct {
	claimed atomic.Int32 // tasks[:claimed] are taken; it may rise above len(tasks)
	set     *Set
	tasks   []*Task
}

func (r *ready) init(slots int) {
	r.most = min(slots, roundMax)
	r.now.Store(new(round))
}

// pop claims a task of the round; nil: there is none left.
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

// next claims a task, of the next round if this one is through; nil: nothing is ready.
func (r *ready) next() *Task {
	if t := r.pop(); t != nil {
		return t
	}
	if r.ring.Empty() {
		return nil
	}
	s := r.ring.Pop()
	most := r.most
	if r.ring.Empty() {
		most = roundMax
	}
	now := &round{set: s, tasks: s.queue.PopN(most)}
	if !s.queue.Empty() {
		r.ring.Push(s)
	}
	r.queue.Store(!r.ring.Empty())
	now.claimed.Store(1)
	t := now.tasks[0]
	now.tasks[0] = nil
	r.now.Store(now)
	return t
}

// push makes tasks of a set ready.
func (r *ready) push(s *Set, ts ...*Task) {
	if s.queue.Empty() {
		r.ring.Push(s)
		r.queue.Store(true)
		r.makeWay(s)
	}
	s.queue.Push(ts...)
}

// makeWay has the set whose round it is line up behind one that has something ready now, with what
// is left of a long round.
func (r *ready) makeWay(other *Set) {
	now := r.now.Load()
	if now.set == nil || now.set == other {
		return
	}
	if r.ring.First() == now.set {
		r.ring.Push(r.ring.Pop())
	}
	if len(now.tasks) <= r.most || int(now.claimed.Load()) >= len(now.tasks) {
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

// empty reports whether nothing is ready.
func (r *ready) empty() bool {
	now := r.now.Load()
	return int(now.claimed.Load()) >= len(now.tasks) && !r.queue.Load()
}
