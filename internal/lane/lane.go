package lane

import (
	"sync"
	"sync/atomic"

	"github.com/laneway-go/laneway/internal/fifo"
)

// Task is one element that waits for a worker. It is meant to be embedded, first, in what it stands
// for: its Tag says what that is. A task may be put again once a worker is through with it.
type Task struct {
	next *Task
	lane *Lane
	Tag
}

// Tag is the owner's: eight bytes of a task that the package never looks at.
type Tag struct {
	Kind  uint8 // what the task is embedded in
	Marks uint16
	Index int32
}

// unlink returns the task behind t, and has t keep it alive no longer.
func (t *Task) unlink() *Task {
	next := t.next
	t.next = nil
	return next
}

// Lane is a queue of tasks that follow one another. It is ready, and with a worker, as long as n is
// not 0.
//
// The one that raises n from 0 to 1 makes the lane ready; the one that lowers it to 0 makes it idle
// and must not touch it again. next of a task is written before n is raised and read after it was
// lowered, so a worker that finds n above 0 sees the link.
//
// A loose task, which follows no other, is in its set's loose lane: one that is no queue, only the
// way from the task to the set.
type Lane struct {
	ID    uint64
	set   *Set
	loose bool
	n     atomic.Int32
	tail  *Task // guarded by set.mu
	used  bool  // since the last sweep; guarded by set.mu
	dead  atomic.Bool
}

// Set is the lanes of one partition at one stage.
type Set struct {
	pool  *Pool
	loose Lane

	// guards what follows, and the tails of the lanes; taken before Pool.mu, never held across a
	// send
	mu    sync.Mutex
	lanes table
	puts  int     // since the last sweep
	kept  int     // lanes that the last sweep has left
	ready []*Task // made ready since Begin

	queue fifo.Queue[*Task] // ready, and not in a round; guarded by pool.mu

	turn turn // guarded by pool.mu

	queued atomic.Int64 // tasks put and not yet begun; kept where Config.Count asks for it
	// closed when queued has fallen to half of what was too much; guarded by mu
	space  chan struct{}
	enough int64 // that half; guarded by mu
}

// Full returns nil while fewer than limit tasks are queued, else a channel that is closed when half
// of them are gone.
func (s *Set) Full(limit int) <-chan struct{} {
	if s.queued.Load() < int64(limit) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.space == nil {
		s.space, s.enough = make(chan struct{}), int64(limit)/2
	}
	if s.queued.Load() <= s.enough { // it emptied meanwhile, and nobody may come to say so
		close(s.space)
		defer func() { s.space = nil }()
	}
	return s.space
}

// began counts k tasks as begun.
func (s *Set) began(k int32) {
	n := s.queued.Add(-int64(k))
	s.mu.Lock()
	if s.space != nil && n <= s.enough {
		close(s.space)
		s.space = nil
	}
	s.mu.Unlock()
}

// NewSet returns an empty set whose ready lanes go to the workers of p.
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

// PutLoose adds one task that follows no other.
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

// append adds linked tasks to a lane. The links are written before n says that they are there. The
// lane may become idle in between: so its last task is freed here, not by the worker.
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
	// which costs a look per put, whether keys come again or not
	if s.puts += int(n); s.puts >= max(2048, s.kept) {
		s.sweep()
	}
}

// PutLoose adds a task that follows no other.
func (b Batch) PutLoose(t *Task) {
	b.s.countN(1)
	t.lane, t.next = &b.s.loose, nil
	b.s.ready = append(b.s.ready, t)
}

// PutChain adds n tasks that the caller has linked by Link to the end of one lane.
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

// Link lets b follow a in a chain.
func Link(a, b *Task) { a.next = b }

func (s *Set) countN(n int64) {
	if s.pool.cfg.Count {
		s.queued.Add(n)
	}
}

// End hands what became ready to the workers.
func (b Batch) End() {
	s := b.s
	if len(s.ready) > 0 {
		s.pool.publish(s, s.ready)
		clear(s.ready)
		s.ready = s.ready[:0]
	}
	s.mu.Unlock()
}

// sweep evicts the lanes that were idle since the last one, and lets go of the last task of those
// that are idle now, which would otherwise keep its record alive. Only a put wakes an idle lane,
// and puts are excluded by mu.
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
