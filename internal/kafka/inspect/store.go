package inspect

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Errors of Store.
var (
	ErrMembers = errors.New("the group has members")
	ErrChanged = errors.New("what is stored has changed since it was read")
)

// Store replaces what a group without members has stored for a partition: its offset and its state.
// It reads again before it writes, and fails with ErrChanged if that differs from seen. It returns
// once the coordinator has acknowledged it. The coordinator itself refuses it while the group has
// members (ErrMembers). A request without an answer may have succeeded, and is not repeated: a
// worker may have run in the meantime.
func Store(ctx context.Context, c *wire.Client, group string, seen Offset, committed int64, state string) error {
	for try := 1; ; try++ {
		if err := unchanged(ctx, c, group, seen); err != nil {
			return err
		}
		err := store(ctx, c, group, seen, committed, state)
		switch code := wire.CodeOf(err); {
		case code.In(wire.Lost | wire.Rejoin):
			return fmt.Errorf("%v: %w: %w", seen.TopicPartition, ErrMembers, err)
		case code.In(wire.Elsewhere) && retries.Pause(ctx, try): // nothing was stored
		default:
			return err
		}
	}
}

func unchanged(ctx context.Context, c *wire.Client, group string, seen Offset) error {
	again, err := stored(ctx, c, group)
	if err != nil {
		return err
	}
	for _, o := range again {
		if o.TopicPartition == seen.TopicPartition && o.Err == nil && o.Committed == seen.Committed && o.State == seen.State &&
			o.StoredFor == seen.StoredFor && o.LeaderEpoch == seen.LeaderEpoch {
			return nil
		}
	}
	return fmt.Errorf("%v: %w", seen.TopicPartition, ErrChanged)
}

func store(ctx context.Context, c *wire.Client, group string, seen Offset, committed int64, state string) error {
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = int32(seen.Partition), committed, seen.LeaderEpoch, &state
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID, t.Partitions = seen.Topic, seen.TopicID, append(t.Partitions, p)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID, req.Topics = group, -1, "", append(req.Topics, t)
	_, err := once(ctx, group, "store the offset of "+seen.String(), c.Commit, req, func(resp *kmsg.OffsetCommitResponse) wire.Code {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				return wire.Code(p.ErrorCode)
			}
		}
		return wire.UnknownServerError
	})
	return err
}
