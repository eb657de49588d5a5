package wire

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An offset belongs to a topic id, and must not be stored for a topic that was made again under the
// same name.
//
// Brokers that commit by id (OffsetCommit from version 10, TxnOffsetCommit from version 6) see to
// that themselves. For the others the ids are compared with the cluster's metadata just before the
// commit, and what is of another topic is answered as such brokers would: UNKNOWN_TOPIC_ID. A
// window is left, from the moment the metadata was true to that of the commit: milliseconds,
// seconds behind a broker that lags. So that what slips through it is not believed, such a commit
// notes its topic id in the offset's metadata, before its state, where ReadNote finds it.

// commitOffsets stores offsets by the ids of their topics. Without an id for each of them they go
// by name, as they are. A partition's Metadata is its state.
func (c *Client) commitOffsets(ctx context.Context, group string, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	k := coordinatorKey{ofGroup, group}
	names, ids := make([]string, len(req.Topics)), make([][16]byte, len(req.Topics))
	for i := range req.Topics {
		names[i], ids[i] = req.Topics[i].Topic, req.Topics[i].TopicID
	}
	byName, err := c.byName(ctx, k, kmsg.OffsetCommit, CommitsByName, ids)
	switch {
	case err != nil:
		return nil, err
	case !byName:
		return c.coordinated(ctx, committing, k, req, math.MaxInt16)
	}
	there, err := c.there(ctx, names...)
	if err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = CommitsByName
	sent := *req
	sent.Topics = nil
	for _, t := range req.Topics {
		if !there[t.Topic].isNot(t.TopicID) {
			sent.Topics = append(sent.Topics, t)
			continue
		}
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: int16(UnknownTopicID)})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if len(sent.Topics) == 0 {
		return resp, nil
	}
	stored, err := c.withNotes(func(note func([16]byte) *string) (kmsg.Response, bool, error) {
		with, stateless := sent, map[placed]bool{}
		with.Topics = slices.Clone(sent.Topics)
		for i := range with.Topics {
			t := &with.Topics[i]
			t.Partitions = slices.Clone(t.Partitions)
			for j := range t.Partitions {
				p := &t.Partitions[j]
				stateless[placed{t.Topic, p.Partition}] = p.Metadata == nil
				p.Metadata = beside(note(t.TopicID), p.Metadata)
			}
		}
		r, err := c.coordinated(ctx, committing, k, &with, CommitsByName)
		if err != nil {
			return nil, false, err
		}
		tooLong := false
		for _, rt := range r.(*kmsg.OffsetCommitResponse).Topics {
			for _, rp := range rt.Partitions {
				// where there is a state, that may be what is too long
				tooLong = tooLong || Code(rp.ErrorCode) == OffsetMetadataTooLarge && stateless[placed{rt.Topic, rp.Partition}]
			}
		}
		return r, tooLong, nil
	})
	if err != nil {
		return nil, err
	}
	resp.Topics = append(resp.Topics, stored.(*kmsg.OffsetCommitResponse).Topics...)
	return resp, nil
}

// placed is a partition in a request that names topics.
type placed struct {
	topic     string
	partition int32
}

// withNotes sends offsets with notes of their topics, or without where a broker has refused those
// for their length (offset.metadata.max.bytes).
func (c *Client) withNotes(send func(note func([16]byte) *string) (resp kmsg.Response, tooLong bool, err error)) (kmsg.Response, error) {
	if !c.bare.Load() {
		resp, tooLong, err := send(note)
		if err != nil || !tooLong {
			return resp, err
		}
		c.bare.Store(true)
	}
	resp, _, err := send(func([16]byte) *string { return nil })
	return resp, err
}

// commitTransactionOffsets is commitOffsets for a transaction, in version limit at most. A
// transaction goes as a whole: what is of another topic keeps all of it from being sent.
func (c *Client) commitTransactionOffsets(ctx context.Context, group string, req *kmsg.TxnOffsetCommitRequest, limit int16) (*kmsg.TxnOffsetCommitResponse, error) {
	k := coordinatorKey{ofGroup, group}
	names, ids := make([]string, len(req.Topics)), make([][16]byte, len(req.Topics))
	for i := range req.Topics {
		names[i], ids[i] = req.Topics[i].Topic, req.Topics[i].TopicID
	}
	byName, err := true, error(nil)
	if limit > transactionCommitsByName {
		byName, err = c.byName(ctx, k, kmsg.TxnOffsetCommit, transactionCommitsByName, ids)
	}
	switch {
	case err != nil:
		return nil, err
	case !byName:
		return answered[*kmsg.TxnOffsetCommitResponse](c.coordinated(ctx, committing, k, req, limit))
	}
	there, err := c.there(ctx, names...)
	if err != nil {
		return nil, err
	}
	refused := kmsg.NewPtrTxnOffsetCommitResponse()
	refused.Version = transactionCommitsByName
	for _, t := range req.Topics {
		if !there[t.Topic].isNot(t.TopicID) {
			continue
		}
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.TxnOffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: int16(UnknownTopicID)})
		}
		refused.Topics = append(refused.Topics, rt)
	}
	if len(refused.Topics) > 0 {
		return refused, nil
	}
	return answered[*kmsg.TxnOffsetCommitResponse](c.withNotes(func(note func([16]byte) *string) (kmsg.Response, bool, error) {
		for _, t := range req.Topics {
			for j := range t.Partitions {
				t.Partitions[j].Metadata = note(t.TopicID)
			}
		}
		r, err := c.coordinated(ctx, committing, k, req, min(limit, transactionCommitsByName))
		if err != nil {
			return nil, false, err
		}
		tooLong := false
		for _, rt := range r.(*kmsg.TxnOffsetCommitResponse).Topics {
			for _, rp := range rt.Partitions {
				tooLong = tooLong || Code(rp.ErrorCode) == OffsetMetadataTooLarge
			}
		}
		return r, tooLong, nil
	}))
}

// answered is an answer as what it is.
func answered[R kmsg.Response](resp kmsg.Response, err error) (R, error) {
	if err != nil {
		var none R
		return none, err
	}
	return resp.(R), nil
}

// byName reports whether offsets have to be stored by name: some topic has no id, or the
// coordinator's broker speaks no version beyond last.
func (c *Client) byName(ctx context.Context, k coordinatorKey, key kmsg.Key, last int16, ids [][16]byte) (bool, error) {
	if slices.Contains(ids, [16]byte{}) {
		return true, nil
	}
	node, err := c.coordinator(ctx, k)
	if err != nil {
		return false, err
	}
	addr, err := c.address(node, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return false, err
	}
	_, theirs, err := c.negotiate(ctx, committing, addr)
	if err != nil {
		c.forget(k, node)
		return false, err
	}
	return theirs[int16(key)].max <= last, nil
}

// there is what the cluster says of topics now.
func (c *Client) there(ctx context.Context, names ...string) (map[string]Topic, error) {
	slices.Sort(names)
	found, err := c.Metadata(ctx, slices.Compact(names)...)
	if err != nil {
		return nil, err
	}
	there := make(map[string]Topic, len(found))
	for _, t := range found {
		there[t.Name] = t
	}
	return there, nil
}

// Gone reports whether the cluster does not have a topic under that id, by its metadata as of now.
// It is false where ids are not known.
func (c *Client) Gone(ctx context.Context, topic string, id [16]byte) (bool, error) {
	there, err := c.there(ctx, topic)
	return there[topic].isNot(id), err
}

// isNot reports whether an answer says that there is no topic of that id: it is unknown, or another
// one. One without an id may be any.
func (t Topic) isNot(id [16]byte) bool {
	switch {
	case id == [16]byte{}:
		return false
	case t.Err != nil:
		return errors.Is(t.Err, UnknownTopicOrPartition) || errors.Is(t.Err, UnknownTopicID)
	}
	return t.ID != id && t.ID != [16]byte{}
}
