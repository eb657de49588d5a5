package lane

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/fifo"
)

// Task is one element waiting for a worker. Embed it as the first field of the element, whose type
// its Tag tells. A task may be put again once its worker is done with it.
type Task struct {
	next *Task
	lane *Lane
	Tag
}

// Tag belongs to the owner: eight bytes of a task that the package never reads.
type Tag struct {
	Kind  uint8 // the type that embeds the task
	Marks uint16
	Index int32
}

// unlink returns the task after t and clears the link, so that t does not keep it alive.
func (t *Task) unlink() *Task {
	next := t.next
	t.next = nil
	return next
}

// Lane is a queue of tasks that run in order. It is ready or running as long as n is not 0.
//
// Raising n from 0 makes the lane ready. Lowering n to 0 makes it idle, and the worker that does so
// must not touch the lane again. A task's next is written before n is raised and read after n is
// lowered, so a worker that finds n above 0 sees the link.
//
// The loose lane of a set serves tasks without an order. It is no queue, it only leads from the
// task to the set.
type Lane struct {
	ID    uint64
	set   *Set
	loose bool
	n     atomic.Int32
	tail  *Task   // guarded by set.mu
	used  bool    // since the last sweep; guarded by set.mu
	open  *Worker // waits in Stall; guarded by set.mu
	dead  atomic.Bool
}

// Set holds the lanes of one partition at one stage.
type Set struct {
	pool  *Pool
	loose Lane
	first atomic.Bool // its tasks go before those of others; written under pool.mu

	// mu guards the fields below and the tails of the lanes. It is locked before Pool.mu, and never
	// held across a send.
	mu    sync.Mutex
	lanes table
	puts  int     // since the last sweep
	kept  int     // lanes left by the last sweep
	ready []*Task // made ready since Begin

	queue fifo.Queue[*Task] // ready but not in a round; guarded by pool.mu

	turn turn // guarded by pool.mu

	queued atomic.Int64 // tasks put but not started; counted only if Config.Count is set
	// closed once queued falls to enough; guarded by mu
	space  chan struct{}
	enough int64 // half of the limit; guarded by mu
}

// Full returns nil while fewer than limit tasks are queued, else a channel that closes once half of
// the limit is left.
func (s *Set) Full(limit int) <-chan struct{} {
	if s.queued.Load() < int64(limit) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.space == nil {
		s.space, s.enough = make(chan struct{}), int64(limit)/2
	}
	if s.queued.Load() <= s.enough { // it emptied since the first look, and no later start may close the channel
		close(s.space)
		defer func() { s.space = nil }()
	}
	return s.space
}

// began counts k tasks as started.
func (s *Set) began(k int32) {
	n := s.queued.Add(-int64(k))
	s.mu.Lock()
	if s.space != nil && n <= s.enough {
		close(s.space)
		s.space = nil
	}
	s.mu.Unlock()
}

// NewSet returns an empty set whose ready lanes run on the workers of p.
func (p *Pool) NewSet() *Set {
	s := &Set{pool: p}
	s.loose = Lane{set: s, loose: true}
	return s
}

// Put adds one task to the lane named id.
func (s *Set) Put(id uint64, t *Task) {
	b := s.Begin()
	b.Put(id, t)
	b.End()
}

// PutLoose adds one task that has no order.
func (s *Set) PutLoose(t *Task) {
	b := s.Begin()
	b.PutLoose(t)
	b.End()
}

// Batch adds many tasks under one lock: Begin, Put or PutLoose any number of times, End.
type Batch struct{ s *Set }

// Begin locks the set until End.
func (s *Set) Begin() Batch {
	s.mu.Lock()
	return Batch{s}
}

// Put adds t to the end of the lane named id.
func (b Batch) Put(id uint64, t *Task) {
	l := b.s.lane(id)
	b.s.countN(1)
	t.lane, t.next = l, nil
	b.s.append(l, t, t, 1)
}

func (s *Set) lane(id uint64) *Lane {
	l := s.lanes.find(id)
	if l == nil {
		l = &Lane{ID: id, set: s}
		s.lanes.add(l)
	}
	return l
}

// append adds linked tasks to a lane. The links are written before n announces them. The lane may
// become idle in between, so append frees its last task, not the worker.
func (s *Set) append(l *Lane, first, last *Task, n int32) {
	before := l.tail
	if l.n.Load() != 0 {
		before.next = first
	}
	l.tail, l.used = last, true
	if l.n.Add(n) == n {
		s.ready = append(s.ready, first)
		s.pool.free(before)
	}
	// checked on every put, whether keys repeat or not
	if s.puts += int(n); s.puts >= max(2048, s.kept) {
		s.sweep()
	}
}

// PutLoose adds a task that has no order.
func (b Batch) PutLoose(t *Task) {
	b.s.countN(1)
	t.lane, t.next = &b.s.loose, nil
	b.s.ready = append(b.s.ready, t)
}

// PutChain adds n tasks, which the caller has linked by Link, to the end of one lane.
func (b Batch) PutChain(id uint64, first, last *Task, n int32) {
	l := b.s.lane(id)
	b.s.countN(int64(n))
	for t := first; ; t = t.next {
		t.lane = l
		if t == last {
			break
		}
	}
	last.next = nil
	b.s.append(l, first, last, n)
}

// Link makes b follow a in a chain.
func Link(a, b *Task) { a.next = b }

func (s *Set) countN(n int64) {
	if s.pool.cfg.Count {
		s.queued.Add(n)
	}
}

// End passes the lanes that became ready to the workers.
func (b Batch) End() {
	s := b.s
	if len(s.ready) > 0 {
		s.pool.publish(s, s.ready)
		clear(s.ready)
		s.ready = s.ready[:0]
	}
	s.mu.Unlock()
}

// sweep evicts the lanes that were idle since the last sweep. It releases the last task of lanes
// that are idle now, which would otherwise keep its record alive. Only a put makes an idle lane
// ready, and mu excludes puts.
func (s *Set) sweep() {
	s.puts = 0
	s.lanes.keep(func(l *Lane) bool {
		switch {
		case l.n.Load() != 0 || l.dead.Load():
			l.used = false
		case l.used:
			s.pool.free(l.tail)
			l.used, l.tail = false, nil
		default:
			return false
		}
		return true
	})
	s.kept = s.lanes.n
}

// Hasten lets the tasks of the set go before those of all other sets, so that a drain does not wait
// for the backlog of others. With MaxPartitions the turns do not change.
func (s *Set) Hasten() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.ready.hasten(s)
}
