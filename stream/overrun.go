package stream

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// overruns reports handlers that keep running after their Timeout, although their context has
// ended. It regularly looks at all attempts of steps with a Timeout. Each attempt enters and leaves
// a linked list, which is all that it costs.
type overruns struct {
	exec    *executor
	stopped chan struct{} // closed by stop
	told    atomic.Int64  // reported handlers that still run
	shards  [8]ring       // so that workers seldom meet at a lock
}

// ring holds a part of the running attempts.
type ring struct {
	mu   sync.Mutex // guards the ring and told in it; a leaf
	root underway
}

// underway is a running attempt, or the root of the ring.
type underway struct {
	*attemptOf
	at         *Meta // if it has no record, as a transaction of offsets alone; otherwise nil
	in         *ring
	began      time.Duration // on clock
	told       bool
	prev, next *underway
}

func newOverruns(x *executor) *overruns {
	o := &overruns{exec: x, stopped: make(chan struct{})}
	for i := range o.shards {
		root := &o.shards[i].root
		root.prev, root.next = root, root
	}
	return o
}

// start starts the goroutine if any step has a Timeout.
func (o *overruns) start() {
	for _, st := range o.exec.steps {
		if st.timeout > 0 {
			o.exec.spawn(o.loop)
			return
		}
	}
}

func (o *overruns) stop() { close(o.stopped) }

// enter adds an attempt that begins. The caller makes it leave. at is set if it has no record.
func (o *overruns) enter(a *attemptOf, at *Meta) *underway {
	s := &o.shards[rand.Uint32()%uint32(len(o.shards))]
	u := &underway{attemptOf: a, at: at, in: s, began: clock(), next: &s.root}
	s.mu.Lock()
	u.prev = s.root.prev
	u.prev.next, u.next.prev = u, u
	s.mu.Unlock()
	return u
}

func (u *underway) meta() Meta {
	if u.at != nil {
		return *u.at
	}
	return u.r.meta()
}

func (o *overruns) leave(u *underway) {
	u.in.mu.Lock()
	u.prev.next, u.next.prev = u.next, u.prev
	told := u.told
	u.in.mu.Unlock()
	if told {
		o.told.Add(-1)
	}
}

func (o *overruns) loop() {
	ticker := time.NewTicker(handlerGrace)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-o.stopped:
			return
		}
		now := clock()
		for i := range o.shards {
			for _, u := range o.shards[i].late(now) {
				o.told.Add(1)
				o.exec.emit(Overrunning{Failure{Meta: u.meta(), Step: u.st.name, Attempts: u.n, Duration: now - u.began, Err: u.st.tooLong}})
			}
		}
	}
}

// late returns the attempts to report now. It leaves out an attempt whose record's context has
// ended: the runtime cancelled it, and the drain names handlers that ignore that.
func (s *ring) late(now time.Duration) (late []*underway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := s.root.next; u != &s.root; u = u.next {
		if !u.told && now-u.began-handlerGrace >= u.st.timeout && u.r.Err() == nil {
			u.told = true
			late = append(late, u)
		}
	}
	return late
}
