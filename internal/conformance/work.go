package conformance

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// place identifies a record.
type place struct {
	partition int
	offset    int64
}

func at(partition int, offset int64) place { return place{partition, offset} }

// work is a handler under test. It records which records started and finished, in order, and it can
// hold or fail records.
type work struct {
	mu      sync.Mutex // guards the fields below
	started []place
	done    []place
	keys    map[place]string
	holds   map[place]chan struct{} // closed by release
	fails   map[place]error
	changed chan struct{} // closed and replaced by each change
}

func newWork() *work {
	return &work{keys: map[place]string{}, holds: map[place]chan struct{}{}, fails: map[place]error{}, changed: make(chan struct{})}
}

// hold keeps a record in its handler until release is called, or its context ends.
func (w *work) hold(p place) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{})
	w.holds[p] = c
	return sync.OnceFunc(func() { close(c) })
}

// fail makes a record fail with err; nil: succeed again.
func (w *work) fail(p place, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[p] = err
}

func (w *work) do(ctx context.Context, m kafka.Message) error {
	p := at(m.Partition, m.Offset)
	w.mu.Lock()
	w.started = append(w.started, p)
	w.keys[p] = string(m.Key)
	held := w.holds[p]
	w.change()
	w.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fails[p]; err != nil {
		return err
	}
	w.done = append(w.done, p)
	w.change()
	return nil
}

// change wakes all waiters. The caller holds mu.
func (w *work) change() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *work) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		w.mu.Lock()
		ok, changed, n, m := done(), w.changed, len(w.started), len(w.done)
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited %v until %s; %d started, %d finished", patience, what, n, m)
		}
	}
}

// awaitDone waits until n records have finished.
func (w *work) awaitDone(t *testing.T, n int) {
	t.Helper()
	w.until(t, "all finish", func() bool { return len(w.done) >= n })
}

// awaitStarted waits until a record has started.
func (w *work) awaitStarted(t *testing.T, p place) {
	t.Helper()
	w.until(t, "the record starts", func() bool { return w.count(w.started, p) > 0 })
}

func (w *work) count(ps []place, p place) (n int) {
	for _, q := range ps {
		if p == q {
			n++
		}
	}
	return n
}

// times returns how often a record finished.
func (w *work) times(p place) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count(w.done, p)
}

// of returns the finished offsets of a partition, in order.
func (w *work) of(partition int) (offsets []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.done {
		if p.partition == partition {
			offsets = append(offsets, p.offset)
		}
	}
	return offsets
}

// once checks that n records finished, each once.
func (w *work) once(t *testing.T, n int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[place]int{}
	for _, p := range w.done {
		if seen[p]++; seen[p] > 1 {
			t.Errorf("partition %d offset %d finished %d times", p.partition, p.offset, seen[p])
		}
	}
	if len(seen) != n {
		t.Errorf("%d records finished, want %d", len(seen), n)
	}
}
