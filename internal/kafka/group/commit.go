package group

import (
	"context"
	"errors"
	"maps"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Commit stores the next offset to read of each partition, under this member's generation. It
// returns an error for each partition that is not stored; an empty map means that all are. The
// errors:
//
//   - ErrLost: the partition was revoked or lost, never assigned here, or lost and assigned again
//     (Superseded). Nothing was stored for it. If this call discovers that the membership is lost,
//     OnLost has returned before Commit does, except for partitions still in OnAssigned.
//   - *RetriableError: a later attempt may succeed. With wire.UnknownTopicOrPartition or
//     wire.UnknownTopicID, the coordinator does not know the topic or its id. During a rebalance
//     Commit waits and retries itself, until ctx ends.
//   - *kafkaerr.TopicError: the user may not read the topic, or the broker refuses this partition
//     for another reason that may last. The others are not affected.
//   - *kafkaerr.GroupError: no attempt will succeed, for example without authorisation.
//
// No offset fails for the size of its State: see states.
//
// The coordinator does not check who owns a partition, so a stale commit would rewind the group.
// Commit therefore sends only the partitions owned now. It may not be called concurrently with
// itself. It may run concurrently with everything else, and is expected to during OnRevoked.
func (m *Member) Commit(ctx context.Context, positions map[wire.TopicPartition]Position) map[wire.TopicPartition]error {
	c := &committing{m: m, failed: make(map[wire.TopicPartition]error), bare: make(map[wire.TopicPartition]refusedState)}
	for try := 1; len(positions) > 0; try++ {
		c.again = make(map[wire.TopicPartition]Position)
		for open := range m.states.requests(positions) {
			c.store(ctx, open)
		}
		if positions = c.again; len(positions) > 0 && !retries.Pause(ctx, try) {
			c.fail(positions, &RetriableError{Group: m.cfg.Group, Op: "commit", Err: ctx.Err()})
			break
		}
	}
	return c.failed
}

// committing is one call of Commit.
type committing struct {
	m      *Member
	failed map[wire.TopicPartition]error
	again  map[wire.TopicPartition]Position // refused in a changing generation: commit under the next one
	// offsets sent without their states, to see whether those are refused
	bare   map[wire.TopicPartition]refusedState
	broken int   // offsets that the broker failed for
	silent error // a request got no response, or the broker fails: no further one is sent
}

// brokenMost is how many offsets a broker may fail for (UNKNOWN_SERVER_ERROR) before it is taken
// for the cause. Otherwise a broker that fails for all would get two requests for each of them.
const brokenMost = 3

func (c *committing) fail(positions map[wire.TopicPartition]Position, err error) {
	for tp := range positions {
		c.failed[tp] = err
	}
}

// store sends one request, and further ones if a broker finds it too large. It may change open.
func (c *committing) store(ctx context.Context, open map[wire.TopicPartition]Position) {
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
	for tp, r := range large {
		if r.own {
			c.bare[tp] = r
		}
	}
	for _, smaller := range smaller(large) {
		c.store(ctx, smaller)
	}
}

// owned removes the partitions from open that this member does not own, and returns the term to
// commit the others under.
func (m *Member) owned(open map[wire.TopicPartition]Position, failed map[wire.TopicPartition]error) (t *term, joining bool) {
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

// dropSuperseded removes partitions of an earlier assignment that was lost and is now this member's
// again. It must run after owned, since OnLost returns before a partition can be assigned again.
func (m *Member) dropSuperseded(ctx context.Context, open map[wire.TopicPartition]Position, failed map[wire.TopicPartition]error) {
	for tp := range open {
		if m.cfg.Superseded(ctx, tp) {
			failed[tp] = &LostError{Group: m.cfg.Group, Err: errSuperseded}
			delete(open, tp)
		}
	}
}

// request sends one OffsetCommit. It returns the positions refused for their size.
func (c *committing) request(ctx context.Context, t *term, joining bool, open map[wire.TopicPartition]Position) (large map[wire.TopicPartition]refusedState) {
	m := c.m
	req, names := m.commitRequest(t, open)
	resp, _, err := m.ask[*kmsg.OffsetCommitResponse](ctx, "commit", rpcTimeout, m.cfg.Requester.Commit, req)
	if err != nil {
		c.silent = err
		c.fail(open, err)
		return nil
	}
	large = make(map[wire.TopicPartition]refusedState)
	left := maps.Clone(open)
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			tp := wire.PartitionOf(rt.Topic, rp.Partition)
			if resp.Version > wire.CommitsByName {
				tp.Topic = names[rt.TopicID]
			}
			at, asked := left[tp]
			if !asked {
				continue
			}
			delete(left, tp)
			code := wire.Code(rp.ErrorCode)
			if m.states.tooLarge(at, len(open), code) {
				large[tp] = refusedState{at, code, len(open) == 1 || code == wire.OffsetMetadataTooLarge}
				continue
			}
			cl, err := m.refusal("commit of "+tp.Topic, code)
			var refused *kafkaerr.GroupError
			switch {
			case code.OfPartition():
				c.failed[tp] = &kafkaerr.TopicError{Topic: tp.Topic, Err: code}
			case cl == classOK:
				m.states.keep(len(at.State))
				if r, refused := c.bare[tp]; refused {
					m.states.refuse(tp, r)
					delete(c.bare, tp)
				}
			case cl == classRebalance, cl == classLost && !errors.As(err, &refused) && m.superseded(t, joining):
				c.again[tp] = at
			case cl == classLost:
				m.lose(t, err)
				select { // another goroutine that found out first may still be calling OnLost
				case <-t.lost:
				case <-ctx.Done():
				}
				c.failed[tp] = &LostError{Group: m.cfg.Group, Err: err}
			default:
				c.failed[tp] = err
				if code == wire.UnknownServerError {
					if c.broken++; c.broken == brokenMost {
						c.silent = err
					}
				}
			}
		}
	}
	// a partition missing from the response may not be stored
	for tp, at := range left {
		if len(c.again) > 0 {
			c.again[tp] = at
			continue
		}
		c.failed[tp] = &RetriableError{Group: m.cfg.Group, Op: "commit", Err: errUnanswered}
	}
	return large
}

var errUnanswered = errors.New("the response lacks the partition")

// superseded reports whether t may have been refused only because a join has ended its generation,
// or is ending it. The join's response will show whether more was lost.
func (m *Member) superseded(t *term, joining bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return t.err == nil && (joining || m.joining || m.term != t)
}

// commitRequest names topics by name and by id, or by name alone if one has no id.
func (m *Member) commitRequest(t *term, positions map[wire.TopicPartition]Position) (r kmsg.Request, names map[[16]byte]string) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, t.generation, t.id, m.instance()
	byID := map[wire.NamedTopic][]kmsg.OffsetCommitRequestTopicPartition{}
	for tp, at := range positions {
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = int32(tp.Partition), at.Offset, at.LeaderEpoch
		if at.State != "" {
			rp.Metadata = &at.State
		}
		of := wire.NamedTopic{Name: tp.Topic, ID: at.TopicID}
		byID[of] = append(byID[of], rp)
	}
	names = map[[16]byte]string{}
	for of, partitions := range byID {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = of.Name, of.ID, partitions
		req.Topics = append(req.Topics, rt)
		names[of.ID] = of.Name
	}
	if names[[16]byte{}] != "" {
		return wire.Capped{Request: req, Max: wire.CommitsByName}, nil
	}
	return req, names
}
