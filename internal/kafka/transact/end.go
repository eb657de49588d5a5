package transact

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// clearUp is how long ending a transaction may take after the caller has given up.
const clearUp = 5 * time.Second

// end commits the transaction. Once the request is sent, ctx no longer matters, since the commit
// may have taken place.
func (t *Transactor) end(ctx context.Context, parts []wire.TopicPartition) error {
	lasting, stop := backoff.Outlasting(ctx, clearUp)
	defer stop()
	lost, err := t.endTxn(lasting, true)
	switch {
	case err == nil:
		t.open = false
		return nil
	// the coordinator refuses, but the transaction is not over: abort it before the next
	case !lost && !wire.Retriable(err) && lasting.Err() == nil:
		return t.refused("committing the transaction", err)
	}
	t.doubts.add(parts)
	return fmt.Errorf("%s: %w: %w", t.cfg.ID, ErrDoubt, err)
}

// abort aborts the transaction. It first waits for batches in flight, which must not arrive after
// the abort. Only a response proves that the transaction is closed; requesting a new epoch while it
// is open would fence ourselves.
func (t *Transactor) abort(ctx context.Context) error {
	t.out.Quiet(ctx)
	before := t.epoch
	if t.open {
		_, err := t.endTxn(ctx, false)
		if err != nil && (wire.Retriable(err) || ctx.Err() != nil) {
			return fmt.Errorf("%s: aborting the transaction: %w", t.cfg.ID, err)
		}
	}
	// With the old protocol the epoch is the same, and a batch with an unknown outcome may have
	// used up a sequence.
	t.stale, t.open = t.epoch == before, false
	return nil
}

// endTxn asks the coordinator to end the transaction, and adopts the epoch it returns. lost says
// that an earlier attempt had no response, so that a refusal may mean that the transaction has
// ended already.
func (t *Transactor) endTxn(ctx context.Context, commit bool) (lost bool, err error) {
	limit := int16(math.MaxInt16)
	if !t.implicit {
		limit = endExplicit
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.cfg.ID, t.id, t.epoch, commit
	err = t.retry(ctx, func() error {
		r, err := t.cfg.Client.Transaction(ctx, t.cfg.ID, req, limit)
		if err != nil {
			lost = true
			return err
		}
		resp := r.(*kmsg.EndTxnResponse)
		if resp.ErrorCode == 0 && t.implicit && resp.ProducerID >= 0 {
			t.id, t.epoch = resp.ProducerID, resp.ProducerEpoch
		}
		return wire.Code(resp.ErrorCode).Err()
	})
	return lost, err
}

// refused translates an error of the coordinator; nil for nil.
func (t *Transactor) refused(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case aborts(err):
		return &abortedError{t.cfg.ID, fmt.Errorf("%s: %w", doing, err)}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// strange reports whether the group's coordinator does not know a member, or not in this
// generation.
func strange(err error) bool { return wire.CodeOf(err).In(wire.Lost | wire.Rejoin) }

// Offsets returns the group's stored offsets of the partitions, once no transaction on them is
// open: -1 for none, and the id of the offset's topic if known. It first ends a transaction of this
// transactor that is in doubt.
func (t *Transactor) Offsets(ctx context.Context, group string, parts []wire.TopicPartition) (map[wire.TopicPartition]Position, error) {
	if t.mu.TryLock() { // otherwise a Commit is running
		if t.open {
			_ = t.abort(ctx) // if this fails, the transaction's timeout ends it
		}
		t.mu.Unlock()
	}
	const ofOneGroup = 7 // OffsetFetch: later versions are of several groups
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, true
	for _, t := range wire.ByTopic(parts) {
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = t.Topic, t.Partitions
		req.Topics = append(req.Topics, rt)
	}
	var at map[wire.TopicPartition]Position
	err := t.retry(ctx, func() error {
		r, err := t.cfg.Client.Group(ctx, group, wire.Capped{Request: req, Max: ofOneGroup})
		if err != nil {
			return err
		}
		resp := r.(*kmsg.OffsetFetchResponse)
		// the group has not stored anything yet
		if code := wire.Code(resp.ErrorCode); code != wire.None && code != wire.GroupIDNotFound {
			return code
		}
		at = map[wire.TopicPartition]Position{}
		for _, rt := range resp.Topics {
			for _, rp := range rt.Partitions {
				switch code := wire.Code(rp.ErrorCode); code {
				case wire.None:
				case wire.UnknownTopicOrPartition: // nothing is stored for a missing topic
					rp.Offset = -1
				default:
					return code
				}
				id, state := wire.ReadNote(rp.Metadata)
				at[wire.PartitionOf(rt.Topic, rp.Partition)] = Position{Offset: rp.Offset, TopicID: id, State: state, LeaderEpoch: rp.LeaderEpoch}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetching the offsets of group %s: %w", group, err)
	}
	t.doubts.settle(parts)
	return at, nil
}
