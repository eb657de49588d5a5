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
// The coordinator does not check who owns a partition, so a stale commit would move the group back:
// Commit sends only what is owned now. One call at a time; it may run together with everything
// else, and is expected to during OnRevoked.
func (m *Member) Commit(ctx context.Context, positions map[TP]Position) map[TP]error {
	failed := make(map[TP]error)
	open := maps.Clone(positions)
	for try := 0; len(open) > 0; try++ {
		if m.Expired() {
			m.expire(m.current())
		}
		t, joining := m.owned(open, failed)
		m.dropSuperseded(ctx, open, failed)
		if len(open) == 0 {
			break
		}
		again := m.commitOnce(ctx, t, joining, open, failed)
		if !again {
			break
		}
		if !pause(ctx, retryWait(try)) {
			for tp := range open {
				failed[tp] = &RetriableError{Group: m.cfg.Group, Op: "commit", Err: ctx.Err()}
			}
			break
		}
	}
	return failed
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

// commitOnce is one OffsetCommit. It moves what failed for good from open to failed, and tells
// whether what is left in open should be tried again.
func (m *Member) commitOnce(ctx context.Context, t *term, joining bool, open map[TP]Position, failed map[TP]error) (again bool) {
	req, names := m.commitRequest(t, open)
	resp, err := ask[*kmsg.OffsetCommitResponse](ctx, rpcTimeout, m.cfg.Requester.Commit, m.cfg.Group, req)
	if err != nil {
		_, err = m.refusal("commit", 0, err)
		for tp := range open {
			failed[tp] = err
		}
		return false
	}
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			tp := TP{rt.Topic, rp.Partition}
			if resp.Version > wire.CommitsByName {
				tp.Topic = names[rt.TopicID]
			}
			if _, asked := open[tp]; !asked {
				continue
			}
			c, err := m.refusal("commit of "+tp.Topic, rp.ErrorCode, nil)
			var refused *kafkaerr.GroupError
			switch {
			case c == classOK:
				delete(open, tp)
			case c == classRebalance, c == classLost && !errors.As(err, &refused) && m.superseded(t, joining):
				again = true // the generation is changing; the next one can commit it
			case c == classLost:
				m.lose(t, err)
				select { // whoever found out first may still be telling
				case <-t.lost:
				case <-ctx.Done():
				}
				failed[tp] = &LostError{Group: m.cfg.Group, Err: err}
				delete(open, tp)
			default:
				failed[tp] = err
				delete(open, tp)
			}
		}
	}
	if !again {
		// a coordinator that left a partition out has not said that it is stored
		for tp := range open {
			failed[tp] = &RetriableError{Group: m.cfg.Group, Op: "commit", Err: errUnanswered}
		}
	}
	return again
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
		// LeaderEpoch is -1: not known, so nobody takes it for a truncation
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset = tp.Partition, at.Offset
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
