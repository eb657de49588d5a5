package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/sourcegraph/conc"
)

// worker is a Member with callbacks that update the floor.
type worker struct {
	*Member
	name     string
	f        *floor
	cfg      Config
	cl       *client
	drain    func(ctx context.Context, w *worker, tps []wire.TopicPartition) // inside OnRevoked
	starting func(ctx context.Context, parts map[wire.TopicPartition]Position) error

	stop context.CancelFunc
	wg   conc.WaitGroup
	err  error
	done chan struct{} // closed when Run returns

	assigned []map[wire.TopicPartition]Position // guarded by f.mu, like the rest
	revoked  [][]wire.TopicPartition
	lost     [][]wire.TopicPartition
	lostErr  []error
	events   []Event
}

func quick(cl *client, name string) Config {
	return Config{
		StateBytes: wire.StateBytes,
		Group:      "billing", ClientID: name, Topics: []string{"group-orders"}, Requester: cl, Partitions: cl.partitions,
		SessionTimeout: time.Minute, HeartbeatInterval: 20 * time.Millisecond, RebalanceTimeout: time.Minute, TopicsInterval: time.Minute,
	}
}

func newWorker(t *testing.T, c site, f *floor, name string, tune ...func(*worker)) *worker {
	t.Helper()
	w := &worker{name: name, f: f, cl: newClient(t, c), done: make(chan struct{})}
	w.cfg = quick(w.cl, name)
	w.cfg.Group = groupAt(c)
	if r, ok := c.(*realKafka); ok {
		r.overWire(t, &w.cfg)
	}
	for _, fn := range tune {
		fn(w)
	}
	w.cfg.OnAssigned = func(ctx context.Context, parts map[wire.TopicPartition]Position) error {
		if w.starting != nil {
			if err := w.starting(ctx, parts); err != nil {
				return err
			}
		}
		f.update(func() { w.assigned = append(w.assigned, parts) }) // first, for those who await its shares
		f.take(name, slices.Collect(maps.Keys(parts))...)
		return nil
	}
	w.cfg.OnRevoked = func(ctx context.Context, tps []wire.TopicPartition) {
		f.update(func() { w.revoked = append(w.revoked, tps) })
		if w.drain != nil {
			w.drain(ctx, w, tps)
		}
		f.remove(name, tps...)
	}
	w.cfg.OnLost = func(err error, tps []wire.TopicPartition) {
		f.remove(name, tps...)
		f.update(func() { w.lost, w.lostErr = append(w.lost, tps), append(w.lostErr, err) })
	}
	w.cfg.OnEvent = func(e Event) { f.update(func() { w.events = append(w.events, e) }) }
	m, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Member = m
	return w
}

func (w *worker) start(t *testing.T) *worker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.wg.Go(func() {
		defer close(w.done)
		w.err = w.Run(ctx)
		w.f.update(func() {})
	})
	t.Cleanup(func() {
		cancel()
		w.wg.Wait()
		if t.Failed() {
			for _, e := range w.events {
				t.Logf("%s: %s: %s (%v)", w.name, e.Name, e.Text, e.Err)
			}
		}
	})
	return w
}

// end stops the worker and returns Run's error.
func (w *worker) end(t *testing.T) error {
	t.Helper()
	w.stop()
	return w.wait(t)
}

func (w *worker) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-w.done:
	case <-time.After(patience):
		t.Fatalf("%s: Run has not returned", w.name)
	}
	return w.err
}

func (w *worker) count(event string) int {
	n := 0
	for _, e := range w.events {
		if e.Name == event {
			n++
		}
	}
	return n
}

func orders(n int32) wire.TopicPartition { return wire.PartitionOf("group-orders", n) }

func wantFatal(t *testing.T, err, cause error) {
	t.Helper()
	var refused *kafkaerr.GroupError
	if !errors.As(err, &refused) || !errors.Is(err, cause) {
		t.Errorf("got %v, want a *kafkaerr.GroupError of %v", err, cause)
	}
}

func (m *Member) memberID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}
