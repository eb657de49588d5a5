package group

import (
	"context"
	"errors"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/sourcegraph/conc"
)

// Membership is what a worker needs of a group, whatever protocol keeps it: the classic one here,
// or the coordinator-driven one of KIP-848, whose member would take the same Config and make the
// same calls to it.
type Membership interface {
	// Run keeps the membership until ctx ends, then drains, leaves and returns nil; or returns the
	// *kafkaerr.GroupError that ended it.
	Run(ctx context.Context) error
	// Commit stores offsets and gives an error for each partition whose offset is not stored.
	Commit(ctx context.Context, positions map[TP]Position) map[TP]error
	// Identity is what a transaction tells of the member, so that a coordinator can refuse one of
	// an old generation (KIP-447).
	Identity() Identity
	// Expired reports whether the session may be over by this side's monotonic clock, and all
	// partitions another member's, though nobody has said so yet. Then OnLost follows. It is cheap
	// enough to be asked before each record.
	Expired() bool
}

// Identity is who a member is now. Generation is -1 while it is nobody.
type Identity struct {
	Member     string
	Generation int32
}

var _ Membership = (*Member)(nil)

// Member is one member of a group under the classic protocol. Make it with New and run it once.
type Member struct {
	cfg     Config
	session *session
	states  *states

	mu sync.Mutex // guards what follows; never held across a callback, a request or a send
	id string     // member id that the coordinator gave, empty for none
	// the current or, while a join is in flight, the last generation; nil before the first
	term    *term
	force   bool // the next subscription must differ, so that the coordinator rebalances
	joining bool // between sending a join and having its assignment
	waiting bool // for the answer to a JoinGroup
	parts   map[TP]stage
	before  holding            // the last assignment, which Sticky tells the leader
	alive   context.Context    // ends when the membership is lost; replaced then
	kill    context.CancelFunc // ends alive
}

// stage is how far a partition has come.
type stage int

const (
	assigning stage = iota // OnAssigned has not returned
	held
	revoking // OnRevoked has not returned
)

// term is one generation of this member's membership.
type term struct {
	id         string
	generation int32
	balancer   Balancer
	// a static member's first: it may have taken an old place over, with its assignment
	replaced bool

	stop   context.CancelFunc // ends the heartbeat and the watch
	wg     conc.WaitGroup     // waits for them
	asked  sync.Once
	rejoin chan struct{} // closed by askRejoin
	lost   chan struct{} // closed by lose, when OnLost has returned
	synced chan struct{} // closed when SyncGroup was answered
	err    error         // why it was lost; guarded by Member.mu
}

func (t *term) askRejoin() { t.asked.Do(func() { close(t.rejoin) }) }

// end stops the term's goroutines and waits for them.
func (t *term) end() {
	t.stop()
	t.wg.Wait()
}

// New checks cfg and makes a member; all that is wrong with it is in the error.
func New(cfg Config) (*Member, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Member{cfg: cfg, session: newSession(), states: &states{limit: wire.StateBytes, told: cfg.OnStateRefused}, parts: make(map[TP]stage), before: holding{generation: -1}}
	m.alive, m.kill = context.WithCancel(context.Background())
	return m, nil
}

// Run joins the group and keeps this member in it until ctx ends: then everything is revoked, the
// group left (a static member stays, so that it can come back) and nil returned. A
// *kafkaerr.GroupError says why the coordinator will not have this member.
func (m *Member) Run(ctx context.Context) error {
	var keeper conc.WaitGroup
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { m.keepSession(keeping) })
	err := m.live(ctx)
	m.release(m.atWork()) // under the current generation, with heartbeats going on
	if t := m.current(); t != nil {
		t.end()
	}
	m.leave(ctx)
	m.kill()
	return err
}

// live goes from rebalance to rebalance.
func (m *Member) live(ctx context.Context) error {
	for {
		assigned, err := m.enter(ctx)
		if err != nil || ctx.Err() != nil {
			return unlessEnded(ctx, err)
		}
		t := m.current()
		again, err := m.adopt(ctx, t, assigned)
		if err != nil || ctx.Err() != nil {
			return unlessEnded(ctx, err)
		}
		if !again {
			select {
			case <-t.rejoin:
			case <-t.lost:
			case <-ctx.Done():
				return nil
			}
		}
		if err := m.fatalLoss(t); err != nil {
			return err
		}
		if !m.cfg.cooperative() {
			m.during(ctx, func(context.Context) { m.release(m.atWork()) })
		}
	}
}

// unlessEnded drops the errors that only say that ctx ended.
func unlessEnded(ctx context.Context, err error) error {
	var refused *kafkaerr.GroupError
	if ctx.Err() != nil && !errors.As(err, &refused) {
		return nil
	}
	return err
}

// during runs work. If ctx ends first, everything held is drained while work goes on, so that
// commits find a valid generation, and then work's own context ends. It returns when work has.
func (m *Member) during(ctx context.Context, work func(ctx context.Context)) {
	wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan struct{}) // closed by the goroutine below
	var wg conc.WaitGroup
	wg.Go(func() {
		defer close(done)
		work(wctx)
	})
	select {
	case <-done:
	case <-ctx.Done():
		m.release(m.atWork())
		cancel()
	}
	wg.Wait()
}

// Identity implements Membership.
func (m *Member) Identity() Identity {
	t := m.current()
	if t == nil {
		return Identity{Generation: -1}
	}
	return Identity{t.id, t.generation}
}

func (m *Member) current() *term {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term
}

// atWork is what has been started and is not being released.
func (m *Member) atWork() []TP {
	m.mu.Lock()
	defer m.mu.Unlock()
	var tps []TP
	for tp, at := range m.parts {
		if at == held {
			tps = append(tps, tp)
		}
	}
	return tps
}

func (m *Member) event(name, text string, err error) {
	m.cfg.OnEvent(Event{Name: name, Text: text, Err: err})
}
