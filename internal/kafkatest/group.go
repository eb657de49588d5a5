package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Committed returns the group's committed offsets on the topic: the next offset by partition,
// without partitions that have none.
func (k *Kafka) Committed(group, topic string) map[int32]int64 {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	offsets, err := k.committed(ctx, group, topic)
	if err != nil {
		k.t.Fatalf("kafkatest: committed offsets of group %s on %s: %v", group, topic, err)
	}
	return offsets
}

// WaitCommitted waits until the group's committed offsets on the topic are exactly want.
func (k *Kafka) WaitCommitted(group, topic string, want map[int32]int64) {
	k.t.Helper()
	k.until(fmt.Sprintf("group %s has committed %v on %s", group, want, topic), func(ctx context.Context) (string, bool, error) {
		got, err := k.committed(ctx, group, topic)
		return fmt.Sprint(got), maps.Equal(got, want), err
	})
}

// Commit stores an offset for a group without members, like another client that knows no leader
// epoch.
func (k *Kafka) Commit(group, topic string, partition int32, offset int64, metadata string) {
	k.t.Helper()
	k.CommitEpoch(group, topic, partition, offset, -1, metadata)
}

// CommitEpoch is Commit with a leader epoch.
func (k *Kafka) CommitEpoch(group, topic string, partition int32, offset int64, epoch int32, metadata string) {
	k.t.Helper()
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = partition, offset, epoch, &metadata
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
	k.until(fmt.Sprintf("%d is stored for group %s on %s", offset, group, topic), func(ctx context.Context) (string, bool, error) {
		seen, err := k.topic(ctx, topic)
		if err != nil {
			return "", false, err
		}
		rt.TopicID = seen.TopicID
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation, req.Topics = group, -1, append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, k.Client)
		if err != nil {
			return "", false, err
		}
		if err := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode); err != nil {
			return err.Error(), false, nil
		}
		return "", true, nil
	})
}

// WaitMembers waits until the group is stable with n members, that is, until its leader has
// assigned. With n = 0 it waits until the group is empty.
func (k *Kafka) WaitMembers(group string, n int) {
	k.t.Helper()
	k.until(fmt.Sprintf("group %s is stable with %d members", group, n), func(ctx context.Context) (string, bool, error) {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{group}
		resp, err := req.RequestWith(ctx, k.Client)
		if err != nil {
			return "", false, err
		}
		g := resp.Groups[0]
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil && n > 0 {
			return "", false, err
		}
		settled := g.State == "Stable" || n == 0 && (g.State == "Empty" || g.State == "Dead")
		return fmt.Sprintf("%q with %d members", g.State, len(g.Members)), settled && len(g.Members) == n, nil
	})
}

func (k *Kafka) committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group // no topics: all offsets of the group
	resp, err := req.RequestWith(ctx, k.Client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, err
	}
	offsets := make(map[int32]int64)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", t.Topic, p.Partition, err)
			}
			if t.Topic == topic && p.Offset >= 0 {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}
