package wire

import (
	"context"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An offset belongs to a topic id. It must not be stored for a topic recreated under the same name.
//
// Brokers that commit by id (OffsetCommit from version 10, TxnOffsetCommit from version 6) ensure
// that themselves. For older brokers, the ids are compared with the cluster's metadata just before
// the commit, and offsets of another topic get the same error code, UNKNOWN_TOPIC_ID. A window
// remains between the metadata and the commit: milliseconds, or seconds with a broker that lags. So
// such a commit also writes its topic id into the offset's metadata, before its state, where
// ReadNote finds it. A reader then ignores an offset of another topic.

// commitOffsets stores offsets by topic id. If any topic has no id, all go by name unchecked. A
// partition's Metadata is its state.
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
	topics, err := c.current(ctx, names...)
	if err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = CommitsByName
	sent := *req
	sent.Topics = nil
	for _, t := range req.Topics {
		if !topics[t.Topic].isNot(t.TopicID) {
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
		with, stateless := sent, map[TopicPartition]bool{}
		with.Topics = slices.Clone(sent.Topics)
		for i := range with.Topics {
			t := &with.Topics[i]
			t.Partitions = slices.Clone(t.Partitions)
			for j := range t.Partitions {
				p := &t.Partitions[j]
				stateless[PartitionOf(t.Topic, p.Partition)] = p.Metadata == nil
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
				// with a state, the state may be too long
				tooLong = tooLong || Code(rp.ErrorCode) == OffsetMetadataTooLarge && stateless[PartitionOf(rt.Topic, rp.Partition)]
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

// withNotes sends offsets with notes of their topics, or without if a broker has refused notes for
// their length (offset.metadata.max.bytes).
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

// commitTransactionOffsets is commitOffsets for a transaction, up to version limit. A transaction
// is all or nothing: an offset of another topic keeps all of it from being sent.
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
	topics, err := c.current(ctx, names...)
	if err != nil {
		return nil, err
	}
	refused := kmsg.NewPtrTxnOffsetCommitResponse()
	refused.Version = transactionCommitsByName
	for _, t := range req.Topics {
		if !topics[t.Topic].isNot(t.TopicID) {
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

// answered converts a response to its type.
func answered[R kmsg.Response](resp kmsg.Response, err error) (R, error) {
	if err != nil {
		var none R
		return none, err
	}
	return resp.(R), nil
}

// byName reports whether offsets must be stored by name: some topic has no id, or the coordinator's
// broker supports no version after last.
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

// current returns the current metadata of topics, by name.
func (c *Client) current(ctx context.Context, names ...string) (map[string]Topic, error) {
	slices.Sort(names)
	found, err := c.Metadata(ctx, slices.Compact(names)...)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]Topic, len(found))
	for _, t := range found {
		topics[t.Name] = t
	}
	return topics, nil
}

// Gone reports whether the cluster has no topic with that id, by its current metadata. It is false
// if ids are unknown.
func (c *Client) Gone(ctx context.Context, topic string, id [16]byte) (bool, error) {
	topics, err := c.current(ctx, topic)
	return topics[topic].isNot(id), err
}

// isNot reports whether the metadata says that no topic has that id: the topic is unknown, or is
// another one. A topic without an id may be any.
func (t Topic) isNot(id [16]byte) bool {
	switch {
	case id == [16]byte{}:
		return false
	case t.Err != nil:
		return CodeOf(t.Err).In(NoTopic)
	}
	return t.ID != id && t.ID != [16]byte{}
}
