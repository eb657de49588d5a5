package wire

import (
	"context"
	"maps"
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
	topics := make([]NamedTopic, len(req.Topics))
	for i := range req.Topics {
		topics[i] = NamedTopic{req.Topics[i].Topic, req.Topics[i].TopicID}
	}
	byName, gone, err := c.byName(ctx, k, kmsg.OffsetCommit, CommitsByName, math.MaxInt16, topics)
	switch {
	case err != nil:
		return nil, err
	case !byName:
		return c.coordinated(ctx, committing, k, req, math.MaxInt16)
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = CommitsByName
	sent := *req
	sent.Topics = nil
	for i, t := range req.Topics {
		if !gone[topics[i]] {
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
	topics := make([]NamedTopic, len(req.Topics))
	for i := range req.Topics {
		topics[i] = NamedTopic{req.Topics[i].Topic, req.Topics[i].TopicID}
	}
	byName, gone, err := c.byName(ctx, k, kmsg.TxnOffsetCommit, transactionCommitsByName, limit, topics)
	switch {
	case err != nil:
		return nil, err
	case !byName:
		return answered[*kmsg.TxnOffsetCommitResponse](c.coordinated(ctx, committing, k, req, limit))
	}
	refused := kmsg.NewPtrTxnOffsetCommitResponse()
	refused.Version = transactionCommitsByName
	for i, t := range req.Topics {
		if !gone[topics[i]] {
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
		with, stateless := *req, map[TopicPartition]bool{}
		with.Topics = slices.Clone(req.Topics)
		for i := range with.Topics {
			t := &with.Topics[i]
			t.Partitions = slices.Clone(t.Partitions)
			for j := range t.Partitions {
				p := &t.Partitions[j]
				stateless[PartitionOf(t.Topic, p.Partition)] = p.Metadata == nil
				p.Metadata = beside(note(t.TopicID), p.Metadata)
			}
		}
		r, err := c.coordinated(ctx, committing, k, &with, min(limit, transactionCommitsByName))
		if err != nil {
			return nil, false, err
		}
		tooLong := false
		for _, rt := range r.(*kmsg.TxnOffsetCommitResponse).Topics {
			for _, rp := range rt.Partitions {
				tooLong = tooLong || Code(rp.ErrorCode) == OffsetMetadataTooLarge && stateless[PartitionOf(rt.Topic, rp.Partition)]
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

// byName reports whether offsets must be stored by name, because a topic has no id or the
// coordinator's broker supports no version after last, and which of the topics are gone then.
func (c *Client) byName(ctx context.Context, k coordinatorKey, key kmsg.Key, last, limit int16, topics []NamedTopic) (bool, map[NamedTopic]bool, error) {
	if limit > last && !slices.ContainsFunc(topics, func(t NamedTopic) bool { return t.ID == [16]byte{} }) {
		_, theirs, err := c.negotiateWith(ctx, committing, k)
		if err != nil || theirs[int16(key)].max > last {
			return false, nil, err
		}
	}
	gone, err := c.Gone(ctx, topics...)
	return true, gone, err
}

// NamedTopic is one of the topics that had the same name: while a topic is recreated, partitions
// may belong to either.
type NamedTopic struct {
	Name string
	ID   [16]byte
}

// Gone returns the topics that the cluster no longer has under their ids, by its current metadata.
// A topic without an id may be any.
func (c *Client) Gone(ctx context.Context, topics ...NamedTopic) (map[NamedTopic]bool, error) {
	names := map[string]bool{}
	for _, t := range topics {
		names[t.Name] = true
	}
	found, err := c.Metadata(ctx, slices.Sorted(maps.Keys(names))...)
	current := make(map[string]Topic, len(found))
	for _, t := range found {
		current[t.Name] = t
	}
	gone := map[NamedTopic]bool{}
	for _, t := range topics {
		switch now := current[t.Name]; {
		case t.ID == [16]byte{}:
		case now.Err != nil:
			gone[t] = CodeOf(now.Err).In(NoTopic)
		default:
			gone[t] = now.ID != t.ID && now.ID != [16]byte{}
		}
	}
	return gone, err
}
