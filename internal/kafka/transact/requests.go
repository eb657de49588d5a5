package transact

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions that belong to each protocol.
const (
	endExplicit  = 4 // EndTxn: later ones answer with a new epoch
	joinExplicit = 4 // TxnOffsetCommit: later ones join the transaction
)

// identify asks the coordinator who we are, with a new epoch.
func (t *Transactor) identify(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &t.cfg.ID
	req.TransactionTimeoutMillis = int32(t.cfg.Timeout.Milliseconds())
	var resp *kmsg.InitProducerIDResponse
	err := t.retry(ctx, func() (wire.Code, error) {
		req.ProducerID, req.ProducerEpoch = t.id, t.epoch
		version, err := t.cfg.Client.TransactionVersion(ctx, t.cfg.ID)
		if err != nil {
			return 0, err
		}
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, req, math.MaxInt16)
		if err != nil {
			return 0, err
		}
		t.implicit = version >= 2
		resp = r.(*kmsg.InitProducerIDResponse)
		code := wire.Code(resp.ErrorCode)
		if (barred(code) || code == wire.InvalidProducerIDMapping) && t.id >= 0 && t.mine() {
			t.id, t.epoch = -1, -1 // as if for the first time
			return wire.ConcurrentTransactions, nil
		}
		return code, nil
	})
	var code wire.Code
	if errors.As(err, &code) && barred(code) {
		return &kafkaerr.FencedError{ID: t.cfg.ID, Err: err}
	}
	if err != nil {
		return t.refused("taking the transactional id over", err)
	}
	t.id, t.epoch, t.stale, t.open = resp.ProducerID, resp.ProducerEpoch, false, false
	return nil
}

// mine reports whether it may be the coordinator itself that bars us: it does when it aborts a
// transaction for its age. Then the id is taken back. With another worker of the same InstanceID
// that is no danger, since the group has only one of us.
func (t *Transactor) mine() bool { return t.cfg.Unique || time.Since(t.began) >= t.cfg.Timeout }

// barred reports whether the coordinator holds another producer for the owner of the id.
func barred(code wire.Code) bool {
	return code == wire.ProducerFenced || code == wire.InvalidProducerEpoch
}

// begin notes that a transaction may begin with the next request.
func (t *Transactor) begin() {
	if !t.open {
		t.open, t.began = true, time.Now()
	}
}

// join adds partitions to the transaction.
func (t *Transactor) join(ctx context.Context, parts []produce.TP) error {
	t.begin()
	if t.implicit {
		return nil
	}
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.cfg.ID, t.id, t.epoch
	byTopic := map[string][]int32{}
	for _, tp := range parts {
		byTopic[tp.Topic] = append(byTopic[tp.Topic], tp.Partition)
	}
	for topic, partitions := range byTopic {
		rt := kmsg.NewAddPartitionsToTxnRequestTopic()
		rt.Topic, rt.Partitions = topic, partitions
		req.Topics = append(req.Topics, rt)
	}
	err := t.retry(ctx, func() (wire.Code, error) {
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, req, math.MaxInt16)
		if err != nil {
			return 0, err
		}
		const notAttempted = 55 // because of another one
		worst := wire.None
		for _, rt := range r.(*kmsg.AddPartitionsToTxnResponse).Topics {
			for _, rp := range rt.Partitions {
				if c := wire.Code(rp.ErrorCode); c != wire.None && (worst == wire.None || worst == notAttempted) {
					worst = c
				}
			}
		}
		return worst, nil
	})
	return t.refused("adding partitions to the transaction", err)
}

// offsets puts the group's offsets into the transaction.
func (t *Transactor) offsets(ctx context.Context, tx Txn) error {
	t.begin()
	limit := int16(math.MaxInt16)
	if !t.implicit {
		limit = joinExplicit
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.cfg.ID, t.id, t.epoch, tx.Group.Name
		err := t.retry(ctx, func() (wire.Code, error) {
			r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, add, math.MaxInt16)
			if err != nil {
				return 0, err
			}
			return wire.Code(r.(*kmsg.AddOffsetsToTxnResponse).ErrorCode), nil
		})
		if err != nil {
			return t.refused("adding the group to the transaction", err)
		}
	}
	req := t.offsetCommit(tx)
	err := t.retry(ctx, func() (wire.Code, error) {
		resp, err := t.cfg.Client.TransactionOffsets(ctx, tx.Group.Name, req, limit)
		if err != nil {
			return 0, err
		}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				switch code := wire.Code(rp.ErrorCode); code {
				case wire.None:
				case wire.UnknownTopicOrPartition, wire.UnknownTopicID:
					if gone, err := t.gone(ctx, tx); err != nil || gone != nil {
						return 0, errors.Join(err, gone)
					}
					return code, nil
				default:
					return code, nil
				}
			}
		}
		return wire.None, nil
	})
	var gone *GoneError
	if errors.As(err, &gone) {
		return gone
	}
	return t.refused("storing offsets of group "+tx.Group.Name, err)
}

// gone asks the cluster which topics of a transaction are not there any more under their ids; a
// *GoneError names their partitions.
func (t *Transactor) gone(ctx context.Context, tx Txn) (gone, err error) {
	var parts []produce.TP
	known := map[topic]bool{}
	for tp, at := range tx.Offsets {
		of := topic{tp.Topic, at.TopicID}
		is, asked := known[of]
		if !asked {
			if is, err = t.cfg.Client.Gone(ctx, of.name, of.id); err != nil {
				return nil, err
			}
			known[of] = is
		}
		if is {
			parts = append(parts, tp)
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return &GoneError{Parts: parts}, nil
}

// topic is which topic of a name it is: while one is made again, partitions may be of either.
type topic struct {
	name string
	id   [16]byte
}

func (t *Transactor) offsetCommit(tx Txn) *kmsg.TxnOffsetCommitRequest {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.cfg.ID, t.id, t.epoch
	req.Group, req.MemberID, req.Generation = tx.Group.Name, tx.Group.Member, tx.Group.Generation
	if tx.Group.Instance != "" {
		req.InstanceID = &tx.Group.Instance
	}
	byTopic := map[topic][]kmsg.TxnOffsetCommitRequestTopicPartition{}
	for tp, at := range tx.Offsets {
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition() // LeaderEpoch is -1: not known
		rp.Partition, rp.Offset = tp.Partition, at.Offset
		of := topic{tp.Topic, at.TopicID}
		byTopic[of] = append(byTopic[of], rp)
	}
	for of, partitions := range byTopic {
		rt := kmsg.NewTxnOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID, rt.Partitions = of.name, of.id, partitions
		req.Topics = append(req.Topics, rt)
	}
	return req
}

// patience is how long a request is repeated at least: longer than a coordinator takes to move.
const patience = 30 * time.Second

// retry asks until there is an answer that a later try does not change, until ctx ends, or for as
// long as a transaction may last.
func (t *Transactor) retry(ctx context.Context, ask func() (wire.Code, error)) error {
	until := time.Now().Add(max(t.cfg.Timeout, patience))
	for try := 1; ; try++ {
		code, err := ask()
		if err == nil {
			err = code.Err()
		}
		if err == nil || strange(code) || ctx.Err() == nil && !wire.Retriable(err) || time.Now().After(until) {
			return err
		}
		pause(ctx, retryWait(try))
		if ctx.Err() != nil {
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		}
	}
}
