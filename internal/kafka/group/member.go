package group

import (
	"context"
	"errors"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/sourcegraph/conc"
)

// Membership is the part of a group member that a worker needs, whatever the protocol: the classic
// one here, or the coordinator-driven one of KIP-848, with the same Config and callbacks.
type Membership interface {
	// Run keeps the membership until ctx ends, then drains, leaves and returns nil. Otherwise it
	// returns the *kafkaerr.GroupError that ended the membership.
	Run(ctx context.Context) error
	// Commit stores offsets and returns an error for each partition whose offset is not stored.
	Commit(ctx context.Context, positions map[wire.TopicPartition]Position) map[wire.TopicPartition]error
	// Identity identifies the member to a transaction coordinator, so that it can refuse a transaction
	// of an old generation (KIP-447).
	Identity() Identity
	// Expired reports whether the session may be over by this side's monotonic clock, so that all
	// partitions may belong to others. OnLost follows. It is cheap enough to call before each record.
	Expired() bool
}

// Identity is a member's current identity. Generation is -1 while it is not a member.
type Identity struct {
	Member     string
	Generation int32
}

var _ Membership = (*Member)(nil)

// Member is one member of a group under the classic protocol. Create it with New and run it once.
type Member struct {
	cfg     Config
	session *session
	states  *states

	mu sync.Mutex // guards the fields below; never held across a callback, a request or a send
	id string     // member id assigned by the coordinator; empty: none
	// the current term, or the last one while a join is in flight; nil before the first
	term    *term
	force   bool // the next subscription must differ, so that the coordinator rebalances
	joining bool // between sending a join and receiving its assignment
	waiting bool // for the answer to a JoinGroup
	parts   map[wire.TopicPartition]stage
	before  holding            // the last assignment, which Sticky sends to the leader
	alive   context.Context    // ends when the membership is lost, and is then replaced
	kill    context.CancelFunc // ends alive
}

// stage is the state of an assigned partition.
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
	// a static member's first term: it may have taken over an old membership with its assignment
	replaced bool

	stop   context.CancelFunc // ends the heartbeat and the watch
	wg     conc.WaitGroup     // waits for them
	asked  sync.Once
	rejoin chan struct{} // closed by askRejoin
	lost   chan struct{} // closed by lose, after OnLost has returned
	synced chan struct{} // closed when SyncGroup has been answered
	err    error         // why the term was lost; guarded by Member.mu
}

func (t *term) askRejoin() { t.asked.Do(func() { close(t.rejoin) }) }

// end stops the term's goroutines and waits for them.
func (t *term) end() {
	t.stop()
	t.wg.Wait()
}

// New checks cfg and returns a member, or an error with all faults of cfg.
func New(cfg Config) (*Member, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Member{cfg: cfg, session: newSession(), states: &states{limit: cfg.StateBytes, refused: cfg.OnStateRefused}, parts: make(map[wire.TopicPartition]stage), before: holding{generation: -1}}
	m.alive, m.kill = context.WithCancel(context.Background())
	return m, nil
}

// Run joins the group and keeps the membership until ctx ends. Then it revokes all partitions,
// leaves the group (a static member stays, so that it can return) and returns nil. A
// *kafkaerr.GroupError says why the coordinator refuses this member.
func (m *Member) Run(ctx context.Context) error {
	var keeper conc.WaitGroup
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { m.keepSession(keeping) })
	err := m.live(ctx)
	m.release(m.heldParts()) // under the current generation, while heartbeats continue
	if t := m.current(); t != nil {
		t.end()
	}
	m.leave(ctx)
	m.kill()
	return err
}

// live runs one rebalance after another.
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
			m.during(ctx, func(context.Context) { m.release(m.heldParts()) })
		}
	}
}

// unlessEnded drops errors that only report the end of ctx.
func unlessEnded(ctx context.Context, err error) error {
	var refused *kafkaerr.GroupError
	if ctx.Err() != nil && !errors.As(err, &refused) {
		return nil
	}
	return err
}

// during runs work. If ctx ends first, it drains all held partitions while work continues, so that
// commits find a valid generation, and then ends work's context. It returns after work has.
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
		m.release(m.heldParts())
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

// heldParts returns the partitions that were started and are not being released.
func (m *Member) heldParts() []wire.TopicPartition {
	m.mu.Lock()
	defer m.mu.Unlock()
	var tps []wire.TopicPartition
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
