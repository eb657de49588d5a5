package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const patience = 20 * time.Second

func newCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond), kfake.SeedTopics(6, "orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// site is where a test's group lives: a kfake cluster, or a real one (real_test.go) where groups and topics of other tests may be about.
type site interface{ ListenAddrs() []string }

func groupAt(s site) string {
	if r, ok := s.(*realKafka); ok {
		return r.group
	}
	return "billing"
}

// client is a Requester over franz-go, with a hook to answer a request in the broker's place.
type client struct {
	kgo  *kgo.Client
	hook func(kmsg.Request) (kmsg.Response, error, bool)

	mu    sync.Mutex // guards coord
	coord int32
}

func newClient(t *testing.T, c site) *client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &client{kgo: cl, coord: -1}
}

func (c *client) Any(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return c.kgo.Request(ctx, req)
}

func (c *client) Commit(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	return c.Group(ctx, group, req)
}

func (c *client) Group(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	if c.hook != nil {
		if resp, err, handled := c.hook(req); handled {
			return resp, err
		}
	}
	c.mu.Lock()
	id := c.coord
	c.mu.Unlock()
	if id < 0 {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey = group
		resp, err := find.RequestWith(ctx, c.kgo)
		if err != nil {
			return nil, err
		}
		id = resp.NodeID
		if len(resp.Coordinators) > 0 {
			id = resp.Coordinators[0].NodeID
		}
		c.mu.Lock()
		c.coord = id
		c.mu.Unlock()
	}
	return c.kgo.Broker(int(id)).Request(ctx, req)
}

func (c *client) Moved(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coord = -1
}

func (c *client) partitions(ctx context.Context, topics []string) (map[string]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &topic
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.kgo)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int32)
	for _, rt := range resp.Topics {
		if rt.ErrorCode == 0 {
			counts[*rt.Topic] = int32(len(rt.Partitions))
		}
	}
	return counts, nil
}

// floor is what several members work on: it notices when two have the same partition.
type floor struct {
	mu      sync.Mutex // guards the rest
	owner   map[TP]string
	clashes []string
	changed chan struct{} // closed and replaced at every change
}

func newFloor() *floor { return &floor{owner: map[TP]string{}, changed: make(chan struct{})} }

func (f *floor) update(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *floor) take(who string, tps ...TP) {
	f.update(func() {
		for _, tp := range tps {
			if o, taken := f.owner[tp]; taken {
				f.clashes = append(f.clashes, fmt.Sprintf("%v given to %s while %s has it", tp, who, o))
			}
			f.owner[tp] = who
		}
	})
}

func (f *floor) drop(who string, tps ...TP) {
	f.update(func() {
		for _, tp := range tps {
			if f.owner[tp] == who {
				delete(f.owner, tp)
			}
		}
	})
}

func (f *floor) of(who string) []TP {
	var tps []TP
	for tp, o := range f.owner {
		if o == who {
			tps = append(tps, tp)
		}
	}
	slices.SortFunc(tps, compareTP)
	return tps
}

// await waits until cond, which is called with f locked, holds.
func (f *floor) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		ok, changed, owner := cond(), f.changed, maps.Clone(f.owner)
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited in vain for: %s; partitions are at %v", what, owner)
		}
	}
}

func (f *floor) awaitShares(t *testing.T, shares map[string]int) {
	t.Helper()
	f.await(t, fmt.Sprintf("shares %v", shares), func() bool {
		for who, n := range shares {
			if len(f.of(who)) != n {
				return false
			}
		}
		return true
	})
}

func (f *floor) check(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.clashes {
		t.Error(c)
	}
}

// worker is one of our members with callbacks that keep the floor's books.
type worker struct {
	*Member
	name     string
	f        *floor
	cfg      Config
	cl       *client
	drain    func(ctx context.Context, w *worker, tps []TP) // inside OnRevoked
	starting func(ctx context.Context, parts map[TP]int64) error

	stop context.CancelFunc
	wg   conc.WaitGroup
	err  error
	done chan struct{} // closed when Run has returned

	assigned []map[TP]int64 // guarded by f.mu, like the rest
	revoked  [][]TP
	lost     [][]TP
	lostErr  []error
	events   []Event
}

func quick(cl *client, name string) Config {
	return Config{
		Group: "billing", ClientID: name, Topics: []string{"orders"}, Requester: cl, Partitions: cl.partitions,
		SessionTimeout: 2 * time.Second, HeartbeatInterval: 20 * time.Millisecond, RebalanceTimeout: 10 * time.Second, TopicsInterval: time.Minute,
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
	w.cfg.OnAssigned = func(ctx context.Context, parts map[TP]int64) error {
		if w.starting != nil {
			if err := w.starting(ctx, parts); err != nil {
				return err
			}
		}
		f.take(name, slices.Collect(maps.Keys(parts))...)
		f.update(func() { w.assigned = append(w.assigned, parts) })
		return nil
	}
	w.cfg.OnRevoked = func(ctx context.Context, tps []TP) {
		f.update(func() { w.revoked = append(w.revoked, tps) })
		if w.drain != nil {
			w.drain(ctx, w, tps)
		}
		f.drop(name, tps...)
	}
	w.cfg.OnLost = func(err error, tps []TP) {
		f.drop(name, tps...)
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

// end stops the worker and gives Run's error.
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
		t.Fatalf("%s: Run does not return", w.name)
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

func orders(n int32) TP { return TP{"orders", n} }

func wantFatal(t *testing.T, err, cause error) {
	t.Helper()
	var refused *FatalError
	if !errors.As(err, &refused) || !errors.Is(err, cause) {
		t.Errorf("got %v, want a *FatalError of %v", err, cause)
	}
}
