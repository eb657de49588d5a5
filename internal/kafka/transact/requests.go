package transact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of each protocol.
const (
	endExplicit  = 4 // EndTxn: later versions return a new epoch
	joinExplicit = 4 // TxnOffsetCommit: later versions add the offsets to the transaction
)

// identify asks the coordinator for our id with a new epoch.
func (t *Transactor) identify(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &t.cfg.ID
	req.TransactionTimeoutMillis = int32(t.cfg.Timeout.Milliseconds())
	var resp *kmsg.InitProducerIDResponse
	err := t.retry(ctx, func() error {
		req.ProducerID, req.ProducerEpoch = t.id, t.epoch
		version, err := t.cfg.Client.TransactionVersion(ctx, t.cfg.ID)
		if err != nil {
			return err
		}
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, req, math.MaxInt16)
		if err != nil {
			return err
		}
		t.implicit = version >= 2
		resp = r.(*kmsg.InitProducerIDResponse)
		code := wire.Code(resp.ErrorCode)
		if (code.In(wire.Fenced) || code == wire.InvalidProducerIDMapping) && t.id >= 0 && t.mine() {
			t.id, t.epoch = -1, -1 // like the first time
			return wire.ConcurrentTransactions
		}
		return code.Err()
	})
	if wire.CodeOf(err).In(wire.Fenced) {
		return &kafkaerr.FencedError{ID: t.cfg.ID, Err: err}
	}
	if err != nil {
		return t.refused("taking the transactional id over", err)
	}
	t.id, t.epoch, t.stale, t.open = resp.ProducerID, resp.ProducerEpoch, false, false
	return nil
}

// mine reports whether the coordinator itself may have fenced us, as it does when it aborts a
// transaction after its timeout. Then the id is taken back. That is safe with another worker of the
// same InstanceID, since the group admits only one of us.
func (t *Transactor) mine() bool { return t.cfg.Unique || time.Since(t.began) >= t.cfg.Timeout }

// begin notes that the next request may start a transaction.
func (t *Transactor) begin() {
	if !t.open {
		t.open, t.began = true, time.Now()
	}
}

// join adds partitions to the transaction.
func (t *Transactor) join(ctx context.Context, parts []wire.TopicPartition) error {
	t.begin()
	if t.implicit {
		return nil
	}
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.cfg.ID, t.id, t.epoch
	for _, t := range wire.ByTopic(parts) {
		rt := kmsg.NewAddPartitionsToTxnRequestTopic()
		rt.Topic, rt.Partitions = t.Topic, t.Partitions
		req.Topics = append(req.Topics, rt)
	}
	err := t.retry(ctx, func() error {
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, req, math.MaxInt16)
		if err != nil {
			return err
		}
		const notAttempted = 55 // because another partition failed
		worst := wire.None
		for _, rt := range r.(*kmsg.AddPartitionsToTxnResponse).Topics {
			for _, rp := range rt.Partitions {
				if c := wire.Code(rp.ErrorCode); c != wire.None && (worst == wire.None || worst == notAttempted) {
					worst = c
				}
			}
		}
		return worst.Err()
	})
	return t.refused("adding partitions to the transaction", err)
}

// offsets adds the offsets of members to the transaction.
func (t *Transactor) offsets(ctx context.Context, shares []Share) error {
	t.begin()
	limit, joined := int16(joinExplicit), map[string]bool{}
	if t.implicit {
		limit = math.MaxInt16
	}
	for _, s := range shares {
		if !t.implicit && !joined[s.Group.Name] {
			if err := t.joinGroup(ctx, s.Group.Name); err != nil {
				return err
			}
			joined[s.Group.Name] = true
		}
		if err := t.storeShare(ctx, s, limit); err != nil {
			return err
		}
	}
	return nil
}

// joinGroup adds a group to the transaction.
func (t *Transactor) joinGroup(ctx context.Context, group string) error {
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.cfg.ID, t.id, t.epoch, group
	err := t.retry(ctx, func() error {
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, add, math.MaxInt16)
		if err != nil {
			return err
		}
		return wire.Code(r.(*kmsg.AddOffsetsToTxnResponse).ErrorCode).Err()
	})
	return t.refused("adding the group to the transaction", err)
}

// storeShare stores the offsets of a member, without their states if the broker refuses those.
func (t *Transactor) storeShare(ctx context.Context, s Share, limit int16) error {
	err := t.store(ctx, s, limit)
	if wire.CodeOf(err) == wire.OffsetMetadataTooLarge { // an offset never fails for its state
		t.stateless.Store(true)
		err = t.store(ctx, s, limit)
	}
	if gone, ok := errors.AsType[*GoneError](err); ok {
		return gone
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused
	}
	if strange(err) {
		return &StaleError{Member: s.Group.Member, Parts: slices.Collect(maps.Keys(s.Offsets)), Err: err}
	}
	return t.refused("storing offsets of group "+s.Group.Name, err)
}

// store sends the offsets of a member.
func (t *Transactor) store(ctx context.Context, s Share, limit int16) error {
	req := t.offsetCommit(s)
	return t.retry(ctx, func() error {
		resp, err := t.cfg.Client.TransactionOffsets(ctx, s.Group.Name, req, limit)
		if err != nil {
			return err
		}
		refused := map[wire.TopicPartition]error{}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				code := wire.Code(rp.ErrorCode)
				if code.In(wire.NoTopic) {
					if gone, err := t.gone(ctx, s); err != nil || gone != nil {
						return errors.Join(err, gone)
					}
				}
				switch {
				case code == wire.None:
				case code == wire.OffsetMetadataTooLarge && !t.stateless.Load(), !code.OfPartition():
					return code
				default:
					tp := s.partition(rt, rp.Partition)
					refused[tp] = &kafkaerr.TopicError{Topic: tp.Topic, Err: code}
				}
			}
		}
		if len(refused) > 0 {
			return &RefusedError{refused}
		}
		return nil
	})
}

// partition returns the partition that an answer is about, which names its topic or its id.
func (s *Share) partition(t kmsg.TxnOffsetCommitResponseTopic, n int32) wire.TopicPartition {
	for tp, at := range s.Offsets {
		if int32(tp.Partition) == n && (tp.Topic == t.Topic || t.Topic == "" && at.TopicID == t.TopicID) {
			return tp
		}
	}
	return wire.PartitionOf(t.Topic, n)
}

// gone asks the cluster which topics of a share no longer exist under their ids. A *GoneError
// names their partitions.
func (t *Transactor) gone(ctx context.Context, s Share) (gone, err error) {
	var topics []wire.NamedTopic
	for tp, at := range s.Offsets {
		topics = append(topics, wire.NamedTopic{Name: tp.Topic, ID: at.TopicID})
	}
	is, err := t.cfg.Client.Gone(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var parts []wire.TopicPartition
	for tp, at := range s.Offsets {
		if is[wire.NamedTopic{Name: tp.Topic, ID: at.TopicID}] {
			parts = append(parts, tp)
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return &GoneError{Parts: parts}, nil
}

func (t *Transactor) offsetCommit(s Share) *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.cfg.ID, t.id, t.epoch
	req.Group, req.MemberID, req.Generation = s.Group.Name, s.Group.Member, s.Group.Generation
	if s.Group.Instance != "" {
		req.InstanceID = &s.Group.Instance
	}
	byTopic := map[wire.NamedTopic][]kmsg.TxnOffsetCommitRequestTopicPartition{}
	for tp, at := range s.Offsets {
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = int32(tp.Partition), at.Offset, -1
		if at.State != "" && !t.stateless.Load() {
			rp.Metadata, rp.LeaderEpoch = &at.State, at.LeaderEpoch
		}
		of := wire.NamedTopic{Name: tp.Topic, ID: at.TopicID}
		byTopic[of] = append(byTopic[of], rp)
	}
	for of, partitions := range byTopic {
		rt := kmsg.NewTxnOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = of.Name, of.ID, partitions
		req.Topics = append(req.Topics, rt)
	}
	return req
}

// patience is the minimum time that a request is retried: longer than a coordinator takes to move.
const patience = 30 * time.Second

// retry repeats a request until it has a final response, ctx ends, or a transaction would have
// timed out.
func (t *Transactor) retry(ctx context.Context, ask func() error) error {
	until := time.Now().Add(max(t.cfg.Timeout, patience))
	for try := 1; ; try++ {
		err := ask()
		if err == nil || strange(err) || ctx.Err() == nil && !wire.Retriable(err) || time.Now().After(until) {
			return err
		}
		if !retries.Pause(ctx, try) {
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		}
	}
}
