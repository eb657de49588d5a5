package source

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/stream"
)

// readAsMember reads what the group assigns until ctx ends or the group will not have this member any more.
func (s *kafkaSource) readAsMember(ctx context.Context) error {
	c := &s.cfg
	m, err := group.New(group.Config{
		Group: c.Group, InstanceID: c.InstanceID, Topics: c.Topics, Balancers: c.Balancers,
		SessionTimeout: c.SessionTimeout, HeartbeatInterval: c.HeartbeatInterval, RebalanceTimeout: c.RebalanceTimeout,
		Rack: c.Rack, ClientID: c.ClientID,
		Requester: s.client, Partitions: s.counts,
		OnAssigned: s.assigned,
		OnRevoked:  func(ctx context.Context, tps []group.TP) { s.revoke(ctx, plain(tps)) },
		OnLost:     func(err error, tps []group.TP) { s.lose(err, plain(tps)) },
		Overtaken: func(ctx context.Context, tp group.TP) bool {
			return stream.Overtaken(ctx, stream.TopicPartition{Topic: tp.Topic, Partition: int(tp.Partition)})
		},
		OnEvent: func(e group.Event) {
			if e.Name == "joined" {
				s.in.Emit(stream.Rebalanced{Text: e.Text})
				return
			}
			s.in.Emit(stream.SourceEvent{Name: "group " + e.Name, Text: e.Text, Err: e.Err})
		},
	})
	if err != nil {
		return err
	}
	s.member = m
	return m.Run(ctx)
}

// assigned begins partitions at their committed offsets, or where there is none at Start.
func (s *kafkaSource) assigned(ctx context.Context, parts map[group.TP]int64) error {
	var unset []fetch.TP
	for tp, committed := range parts {
		if committed < 0 {
			unset = append(unset, fetch.TP{Topic: tp.Topic, Partition: int(tp.Partition)})
		}
	}
	starts := map[fetch.TP]int64{}
	if len(unset) > 0 {
		var err error
		if starts, err = s.resolve(ctx, s.cfg.Start, unset...); err != nil {
			return err
		}
	}
	as := make([]stream.Assignment, 0, len(parts))
	for gtp, committed := range parts {
		tp := fetch.TP{Topic: gtp.Topic, Partition: int(gtp.Partition)}
		a := stream.Assignment{TopicPartition: stream.TopicPartition(tp), Next: committed, Committed: committed}
		if start, ok := starts[tp]; ok {
			a.Next = start
			s.in.Emit(stream.OffsetReset{TopicPartition: a.TopicPartition, From: -1, To: start, Policy: s.cfg.Start.String()})
		}
		as = append(as, a)
	}
	return s.assign(ctx, as...)
}

// Commit stores offsets under this member's generation. What was lost meanwhile is another member's to store.
func (s *kafkaSource) Commit(ctx context.Context, offsets map[stream.TopicPartition]int64) error {
	if s.member == nil {
		return nil
	}
	asked := make(map[group.TP]int64, len(offsets))
	for tp, next := range offsets {
		asked[group.TP{Topic: tp.Topic, Partition: int32(tp.Partition)}] = next
	}
	failed := map[stream.TopicPartition]error{}
	for tp, err := range s.member.Commit(ctx, asked) {
		var refused *group.FatalError
		switch {
		case errors.Is(err, group.ErrLost):
			continue
		case errors.As(err, &refused):
			err = stream.Permanent(err)
		}
		failed[stream.TopicPartition{Topic: tp.Topic, Partition: int(tp.Partition)}] = err
	}
	if len(failed) == 0 {
		return nil
	}
	return &stream.CommitError{Errs: failed}
}

// GroupMetadata implements stream.GroupSource.
func (s *kafkaSource) GroupMetadata() stream.GroupMetadata {
	if s.member == nil {
		return stream.GroupMetadata{}
	}
	id := s.member.Identity()
	return stream.GroupMetadata{Group: s.cfg.Group, Member: id.Member, Instance: s.cfg.InstanceID, Generation: id.Generation}
}

func plain(tps []group.TP) []fetch.TP {
	out := make([]fetch.TP, len(tps))
	for i, tp := range tps {
		out[i] = fetch.TP{Topic: tp.Topic, Partition: int(tp.Partition)}
	}
	return out
}
