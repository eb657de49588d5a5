package group

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// enter joins and syncs until this member has an assignment under a new term. Under a cooperative
// balancer, its partitions keep running. If ctx ends, they are drained before the join is
// abandoned. Without partitions it is abandoned at once, but for a first join: see askToJoin.
func (m *Member) enter(ctx context.Context) (assigned []wire.TopicPartition, err error) {
	m.setJoining(true)
	defer m.setJoining(false)
	if t := m.current(); t != nil {
		t.end() // its heartbeats would report the generation that the join is ending
	}
	m.during(ctx, func(ctx context.Context) { assigned, err = m.enterUntil(ctx) })
	return assigned, err
}

func (m *Member) enterUntil(ctx context.Context) ([]wire.TopicPartition, error) {
	for try := 1; ctx.Err() == nil; try++ {
		assigned, c, err := m.attempt(ctx)
		switch c {
		case classOK:
			return assigned, nil
		case classFatal:
			m.lose(m.current(), err)
			return nil, err
		case classLost:
			m.lose(m.current(), err)
			m.dropID(err)
			if _, refused := errors.AsType[*kafkaerr.GroupError](err); refused {
				return nil, err
			}
			if try == 1 { // at once, as a new member
				continue
			}
		case classRebalance: // at once: the coordinator waits for this join
			if try <= 3 {
				continue
			}
		default:
			if m.unanswered(err) <= 0 {
				m.expire(m.current())
			}
		}
		if ctx.Err() == nil {
			m.cfg.OnHealth(err)
			m.event("retry", "the join failed; retrying", err)
			retries.Pause(ctx, try)
		}
	}
	return nil, ctx.Err()
}

// attempt sends one JoinGroup (or two, if the first returns only the member id) and one SyncGroup.
func (m *Member) attempt(ctx context.Context) ([]wire.TopicPartition, class, error) {
	resp, c, err := m.join(ctx)
	if c != classOK {
		return nil, c, err
	}
	t, err := m.begins(ctx, resp)
	if err != nil {
		return nil, classFatal, err
	}
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
	req.ProtocolType, req.Protocol = new(protocolType), new(string(t.balancer))
	var leads *watch
	if resp.LeaderID == t.id {
		if leads, req.GroupAssignment, err = m.lead(ctx, t, resp); err != nil {
			t.end()
			return nil, classRebalance, err
		}
	}
	sync, c, err := m.ask[*kmsg.SyncGroupResponse](ctx, "sync", m.cfg.RebalanceTimeout+joinGrace, m.cfg.Requester.Group, req)
	if c != classOK {
		t.end()
		return nil, c, err
	}
	assigned, err := readAssignment(sync.MemberAssignment)
	if err != nil {
		t.end()
		return nil, classRebalance, &RetriableError{Group: m.cfg.Group, Op: "sync", Err: err}
	}
	close(t.synced)
	if leads != nil {
		m.startWatch(t, leads)
	}
	m.cfg.OnHealth(nil)
	m.event("joined", fmt.Sprintf("member %s, generation %d, %s, leader: %t, %d partitions", t.id, t.generation, t.balancer, leads != nil, len(assigned)), nil)
	return assigned, classOK, nil
}

// join sends JoinGroup until the response has a generation or an error.
func (m *Member) join(ctx context.Context) (*kmsg.JoinGroupResponse, class, error) {
	for {
		req := m.joinRequest()
		answered := m.await()
		resp, c, err := m.askToJoin(ctx, req)
		if fresh := answered(err); resp != nil && !fresh {
			return nil, classRetry, &RetriableError{Group: m.cfg.Group, Op: "join", Err: errLate}
		}
		if resp != nil && wire.Code(resp.ErrorCode) == wire.MemberIDRequired && resp.MemberID != "" && req.MemberID == "" {
			m.mu.Lock()
			m.id = resp.MemberID
			m.mu.Unlock()
			continue
		}
		return resp, c, err
	}
}

// askToJoin sends a JoinGroup. A broker answers the first one at once, with the id of a new member
// (KIP-394), and from then on the group waits for that member. So its answer is awaited even if ctx
// ends, in order to leave.
func (m *Member) askToJoin(ctx context.Context, req *kmsg.JoinGroupRequest) (*kmsg.JoinGroupResponse, class, error) {
	if req.MemberID == "" && m.cfg.InstanceID == "" {
		lasting, stop := backoff.Outlasting(ctx, leaveTimeout)
		defer stop()
		ctx = lasting
	}
	return m.ask[*kmsg.JoinGroupResponse](ctx, "join", m.cfg.RebalanceTimeout+joinGrace, m.cfg.Requester.Group, req)
}

var errLate = errors.New("this process was suspended, so the response may be older than the session")

// await keeps the session alive while this member waits for the response to a JoinGroup. answered
// ends that, and reports whether the response is fresh. A request without a response in time may
// never have arrived, so it extends nothing.
func (m *Member) await() (answered func(err error) (fresh bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.term == nil || m.term.err != nil {
		m.session.start(m.cfg.SessionTimeout)
	}
	before := m.session.until.Load()
	m.waiting = true
	return func(err error) (fresh bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waiting = false
		if errors.Is(err, context.DeadlineExceeded) {
			m.session.until.Store(before)
		}
		return m.session.left() > 0
	}
}

func (m *Member) joinRequest() *kmsg.JoinGroupRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	claim := m.before
	if m.cfg.cooperative() {
		claim = holding{generation: -1}
		if m.term != nil && m.term.err == nil {
			claim.generation = m.term.generation
			for tp := range m.parts {
				claim.tps = append(claim.tps, tp)
			}
		}
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.InstanceID, req.ProtocolType = m.cfg.Group, m.id, m.instance(), protocolType
	req.SessionTimeoutMillis = int32(m.cfg.SessionTimeout.Milliseconds())
	req.RebalanceTimeoutMillis = int32(m.cfg.RebalanceTimeout.Milliseconds())
	for _, b := range m.cfg.Balancers {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = string(b), subscription(b, m.cfg.Topics, claim, m.cfg.Rack, m.force)
		req.Protocols = append(req.Protocols, p)
	}
	return req
}

// begins makes the generation of a join's response the current term, and starts its heartbeats,
// since the leader may take long.
func (m *Member) begins(ctx context.Context, resp *kmsg.JoinGroupResponse) (*term, error) {
	if resp.Protocol == nil || !m.offers(Balancer(*resp.Protocol)) {
		return nil, &kafkaerr.GroupError{Group: m.cfg.Group, Op: "join", Err: fmt.Errorf("the group chose a balancer that this member did not offer (%s)", deref(resp.Protocol)),
			Fix: "set Balancers to the group's"}
	}
	t := &term{id: resp.MemberID, generation: resp.Generation, balancer: Balancer(*resp.Protocol),
		rejoin: make(chan struct{}), lost: make(chan struct{}), synced: make(chan struct{})}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	m.mu.Lock()
	t.replaced = m.id == "" && m.cfg.InstanceID != ""
	m.id, m.term, m.force = t.id, t, false
	m.mu.Unlock()
	t.wg.Go(func() { m.heartbeat(background, t) })
	return t, nil
}

func (m *Member) setJoining(joining bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joining = joining
}

func (m *Member) offers(b Balancer) bool { return slices.Contains(m.cfg.Balancers, b) }

func deref(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}
