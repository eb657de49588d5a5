package lane

import "sync/atomic"

const chunkSize = 64

// queue is an unbounded FIFO of ready tasks: one writer at a time (under Pool.mu), any number of readers without a lock.
// Chunks are left to the garbage collector, so a reader that was overtaken never sees one reused.
type queue struct {
	head atomic.Pointer[chunk]
	tail *chunk // the writer's
}

type chunk struct {
	tasks [chunkSize]*Task
	put   atomic.Int32 // tasks[:put] are published
	taken atomic.Int32 // tasks[:taken] are claimed
	link  atomic.Pointer[chunk]
}

func (q *queue) init() {
	q.tail = new(chunk)
	q.head.Store(q.tail)
}

func (q *queue) push(t *Task) {
	c := q.tail
	n := c.put.Load()
	if n == chunkSize {
		c = new(chunk)
		n = 0
		c.tasks[0] = t
		c.put.Store(1)
		q.tail.link.Store(c)
		q.tail = c
		return
	}
	c.tasks[n] = t
	c.put.Store(n + 1)
}

// pushAll is push of many, published chunk by chunk.
func (q *queue) pushAll(ts []*Task) {
	for len(ts) > 0 {
		c := q.tail
		n := int(c.put.Load())
		if n == chunkSize {
			fresh := new(chunk)
			k := copy(fresh.tasks[:], ts)
			fresh.put.Store(int32(k))
			c.link.Store(fresh)
			q.tail = fresh
			ts = ts[k:]
			continue
		}
		k := copy(c.tasks[n:], ts)
		c.put.Store(int32(n + k))
		ts = ts[k:]
	}
}

// pop claims the oldest task, nil if there is none.
func (q *queue) pop() *Task {
	for {
		c := q.head.Load()
		i := c.taken.Load()
		if i < c.put.Load() {
			if c.taken.CompareAndSwap(i, i+1) {
				t := c.tasks[i]
				c.tasks[i] = nil
				return t
			}
			continue
		}
		if i < chunkSize {
			return nil
		}
		next := c.link.Load()
		if next == nil {
			return nil
		}
		q.head.CompareAndSwap(c, next)
	}
}

func (q *queue) empty() bool {
	c := q.head.Load()
	return c.taken.Load() >= c.put.Load() && c.link.Load() == nil
}
