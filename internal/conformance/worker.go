package conformance

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// patience bounds every wait. It is far longer than any test needs on a busy machine.
const patience = 30 * time.Second

// chain adds a test's steps to the source.
type chain = func(messages) built

type (
	messages = stream.Stream[kafka.Message]
	built    = interface {
		Build(...stream.Option) (*stream.Pipeline, error)
	}
)

// worker is a member that runs a chain.
type worker struct {
	t *testing.T
	*stream.Pipeline
	member Member
	merged bool // with a neighbour, of whom the tests want to know nothing
	cancel context.CancelFunc
	run    conc.WaitGroup
	ended  chan struct{} // closed when Run returns
	err    error         // Run's result

	mu      sync.Mutex // guards the fields below
	events  []stream.Event
	owned   []int
	changed chan struct{} // closed and replaced by each event
}

// start runs a chain as a new member of the log's group.
func start(t *testing.T, l Log, c chain, opts ...stream.Option) *worker {
	t.Helper()
	return startMember(t, l.Member(), c, opts...)
}

func startMember(t *testing.T, m Member, c chain, opts ...stream.Option) *worker {
	t.Helper()
	w := &worker{t: t, member: m, ended: make(chan struct{}), changed: make(chan struct{})}
	_, w.merged = m.(beside)
	src, more := w.member.Source("")
	opts = append(append(opts, more...), stream.Observe(stream.Observer{Event: w.record}))
	p, err := c(src).Build(opts...)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ready() == nil {
		t.Error("ready before Run")
	}
	w.Pipeline = p
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.run.Go(func() {
		defer close(w.ended)
		w.err = p.Run(ctx)
	})
	t.Cleanup(func() {
		w.cancel()
		w.run.Wait()
	})
	w.member.Join()
	if w.merged {
		awaitEvent(w, "the neighbour has joined", func(e stream.Assigned) bool { return e.Source == neighbourName })
	}
	return w
}

// record records an event.
func (w *worker) record(e stream.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case stream.Assigned:
		if e.Source != neighbourName {
			w.owned = append(w.owned, e.Partition)
		}
	case stream.Revoked:
		w.disown(e.TopicPartition)
	case stream.Lost:
		w.disown(e.TopicPartition)
	}
	w.events = append(w.events, e)
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *worker) disown(tp stream.TopicPartition) {
	w.owned = slices.DeleteFunc(w.owned, func(p int) bool { return p == tp.Partition && tp.Source != neighbourName })
}

// awaitOwned waits until the worker has n partitions.
func (w *worker) awaitOwned(n int) {
	w.t.Helper()
	w.until("the worker has its share of the partitions", func() bool { return len(w.owned) == n })
}

// awaitEvent waits for an event, which may have occurred already.
func awaitEvent[E stream.Event](w *worker, what string, wanted func(E) bool) {
	w.t.Helper()
	w.until(what, func() bool {
		return slices.ContainsFunc(w.events, func(e stream.Event) bool {
			x, ok := e.(E)
			return ok && wanted(x)
		})
	})
}

// awaitCommitted waits until the worker has committed an offset.
func (w *worker) awaitCommitted(partition int, offset int64) {
	w.t.Helper()
	awaitEvent(w, "the offset is committed", func(c stream.Committed) bool {
		for tp, at := range c.Offsets {
			if tp.Partition == partition && tp.Source != neighbourName && at == offset {
				return true
			}
		}
		return false
	})
}

// until waits for a condition that changes with events. done is called with mu held.
func (w *worker) until(what string, done func() bool) {
	w.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		w.mu.Lock()
		ok, changed := done(), w.changed
		owned, last := slices.Clone(w.owned), w.events[max(0, len(w.events)-5):]
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-w.ended:
			w.t.Fatalf("Run returned (%v) while the test waited until %s", w.err, what)
		case <-limit.C:
			w.t.Fatalf("waited %v until %s; owned %v, last events: %+v", patience, what, owned, last)
		}
	}
}

// awaitState polls for a condition that no event reports.
func (w *worker) awaitState(what string, done func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("waited %v until %s: %+v", patience, what, w.Snapshot())
		}
	}
}

// stop ends the worker like a deployment does.
func (w *worker) stop() {
	w.t.Helper()
	w.cancel()
	if err := w.result(); err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

// result waits for Run to return.
func (w *worker) result() error {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatalf("Run has not returned after %v", patience)
	}
	w.member.Left()
	return w.err
}

// state returns a partition's state.
func (w *worker) state(partition int) stream.PartitionState {
	for _, s := range w.Snapshot().Partitions {
		if s.Partition == partition && s.Source != neighbourName {
			return s
		}
	}
	return stream.PartitionState{}
}
