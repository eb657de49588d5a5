package group

import (
	"context"
	"errors"
	"maps"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Commit stores the next offset to read of each partition, under this member's generation, and
// gives an error for each that is not stored; an empty map means that all are. The errors:
//
//   - ErrLost: the partition was revoked or lost, or never assigned here, or lost and assigned anew
//     (Superseded); nothing was stored for it. If this call is the one to find out that the
//     membership is lost, OnLost has been told by the time it returns.
//   - *RetriableError: a later try may succeed. One of wire.UnknownTopicOrPartition or
//     wire.UnknownTopicID says that the coordinator does not know the topic, or not under that id.
//     While a rebalance is being completed Commit itself waits and tries again, until ctx ends.
//   - *kafkaerr.GroupError: it never will, as when authorisation is missing.
//
// No offset fails for its State's size: see states.
//
// The coordinator does not check who owns a partition, so a stale commit would move the group back:
// Commit sends only what is owned now. One call at a time; it may run together with everything
// else, and is expected to during OnRevoked.
func (m *Member) Commit(ctx context.Context, positions map[TP]Position) map[TP]error {
	c := &committing{m: m, failed: make(map[TP]error)}
	for try := 0; len(positions) > 0; try++ {
		c.again = make(map[TP]Position)
		for open := range m.states.requests(positions) {
			c.store(ctx, open)
		}
		if positions = c.again; len(positions) > 0 && !pause(ctx, retryWait(try)) {
			c.fail(positions, &RetriableError{Group: m.cfg.Group, Op: "commit", Err: ctx.Err()})
			break
		}
	}
	return c.failed
}

// committing is one Commit.
type committing struct {
	m      *Member
	failed map[TP]error
	again  map[TP]Position // the generation was changing: the next one can commit it
	silent error           // no answer came to a request: there is none for the next one either
}

func (c *committing) fail(positions map[TP]Position, err error) {
	for tp := range positions {
		c.failed[tp] = err
	}
}

// store is one request, and others where a broker finds that too large. open is its own.
func (c *committing) store(ctx context.Context, open map[TP]Position) {
	m := c.m
	if m.Expired() {
		m.expire(m.current())
	}
	t, joining := m.owned(open, c.failed)
	m.dropSuperseded(ctx, open, c.failed)
	if c.silent != nil {
		c.fail(open, c.silent)
		return
	}
	if len(open) == 0 {
		return
	}
	large := c.request(ctx, t, joining, open)
	for _, smaller := range m.states.smaller(len(open), large) {
		c.store(ctx, smaller)
	}
}

// owned drops from open what is not this member's, and gives the term to commit the rest under.
func (m *Member) owned(open map[TP]Position, failed map[TP]error) (t *term, joining bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for tp := range open {
		if _, have := m.parts[tp]; !have {
			failed[tp] = &LostError{Group: m.cfg.Group, Err: errNotOwned}
			delete(open, tp)
		}
	}
	return m.term, m.joining
}

// dropSuperseded drops what an earlier assignment of a partition wants stored that is now this
// member's anew. It looks after owned has: OnLost returns before a partition can be assigned again.
func (m *Member) dropSuperseded(ctx context.Context, open map[TP]Position, failed map[TP]error) {
	for tp := range open {
		if m.cfg.Superseded(ctx, tp) {
			failed[tp] = &LostError{Group: m.cfg.Group, Err: errSuperseded}
			delete(open, tp)
		}
	}
}

// request is one OffsetCommit. It gives back what was refused for its size.
func (c *committing) request(ctx context.Context, t *term, joining bool, open map[TP]Position) (large map[TP]refusedState) {
	m := c.m
	req, names := m.commitRequest(t, open)
	resp, err := ask[*kmsg.OffsetCommitResponse](ctx, rpcTimeout, m.cfg.Requester.Commit, m.cfg.Group, req)
	if err != nil {
		_, c.silent = m.refusal("commit", 0, err)
		c.fail(open, c.silent)
		return nil
	}
	large = make(map[TP]refusedState)
	left := maps.Clone(open)
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			tp := TP{rt.Topic, rp.Partition}
			if resp.Version > wire.CommitsByName {
				tp.Topic = names[rt.TopicID]
			}
			at, asked := left[tp]
			if !asked {
				continue
			}
			delete(left, tp)
			if code := wire.Code(rp.ErrorCode); m.states.tooLarge(at, len(open), code) {
				large[tp] = refusedState{at, code}
				continue
			}
			cl, err := m.refusal("commit of "+tp.Topic, rp.ErrorCode, nil)
			var refused *kafkaerr.GroupError
			switch {
			case cl == classOK:
				m.states.keep(len(at.State))
			case cl == classRebalance, cl == classLost && !errors.As(err, &refused) && m.superseded(t, joining):
				c.again[tp] = at
			case cl == classLost:
				m.lose(t, err)
				select { // whoever found out first may still be telling
				case <-t.lost:
				case <-ctx.Done():
				}
				c.failed[tp] = &LostError{Group: m.cfg.Group, Err: err}
			default:
				c.failed[tp] = err
			}
		}
	}
	// a coordinator that left a partition out has not said that it is stored
	for tp, at := range left {
		if len(c.again) > 0 {
			c.again[tp] = at
			continue
		}
		c.failed[tp] = &RetriableError{Group: m.cfg.Group, Op: "commit", Err: errUnanswered}
	}
	return large
}

var errUnanswered = errors.New("the answer leaves the partition out")

// superseded tells whether t may have been refused only because a join has ended, or is ending, its
// generation. A join's own answer will tell if more than that was lost.
func (m *Member) superseded(t *term, joining bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.err == nil && (joining || m.joining || m.term != t)
}

// commitRequest names topics by name and by id, and by name alone where there is one without.
func (m *Member) commitRequest(t *term, positions map[TP]Position) (r kmsg.Request, names map[[16]byte]string) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
	type topic struct { // while one is made again, partitions may be of either
		name string
		id   [16]byte
	}
	byID := map[topic][]kmsg.OffsetCommitRequestTopicPartition{}
	for tp, at := range positions {
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = tp.Partition, at.Offset, at.LeaderEpoch
		if at.State != "" {
			rp.Metadata = &at.State
		}
		of := topic{tp.Topic, at.TopicID}
		byID[of] = append(byID[of], rp)
	}
	names = map[[16]byte]string{}
	for of, partitions := range byID {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = of.name, of.id, partitions
		req.Topics = append(req.Topics, rt)
		names[of.id] = of.name
	}
	if names[[16]byte{}] != "" {
		return wire.Capped{Request: req, Max: wire.CommitsByName}, nil
	}
	return req, names
}
