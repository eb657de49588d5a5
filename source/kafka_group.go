package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// readAsMember reads the partitions that the group assigns, until ctx ends or the group refuses
// this member for good.
func (s *kafkaSource) readAsMember(ctx context.Context) error {
	c := &s.cfg
	m, err := group.New(group.Config{
		Group: c.Group, InstanceID: c.InstanceID, Topics: c.Topics, Balancers: c.Balancers,
		SessionTimeout: c.SessionTimeout, HeartbeatInterval: c.HeartbeatInterval, RebalanceTimeout: c.RebalanceTimeout,
		Rack: c.Rack, ClientID: c.ClientID,
		StateBytes: int(s.stateBytes.Load()),
		Requester:  s.client, Partitions: s.counts, TopicIDs: s.ids,
		OnAssigned: s.assigned,
		OnRevoked:  s.revoke,
		OnLost:     s.lose,
		Superseded: func(ctx context.Context, tp wire.TopicPartition) bool {
			return stream.Superseded(ctx, streamed(tp))
		},
		OnHealth: func(err error) { s.health.set(&s.health.group, err) },
		OnWaiting: func(tps []wire.TopicPartition, err error) {
			for _, tp := range tps {
				if err == nil {
					s.disown(tp)
					continue
				}
				s.own(tp)
				s.trouble(tp, err)
			}
		},
		OnStateRefused: s.stateRefused,
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

// joining is why a member is not ready before its first join.
func (s *kafkaSource) joining() error {
	if s.cfg.Group == "" {
		return nil
	}
	session := cmp.Or(s.cfg.SessionTimeout, 45*time.Second)
	return fmt.Errorf("group %q: not a member yet: the group waits until all its members have rejoined; it waits for a member that died without leaving (kill -9, a lost node) "+
		"up to its session timeout (%v here); a member with an InstanceID rejoins at once [LW404]", s.cfg.Group, session)
}

// assigned starts partitions at their committed offsets, or at Start if there is none.
func (s *kafkaSource) assigned(ctx context.Context, parts map[wire.TopicPartition]group.Position) error {
	as := make([]assignment, 0, len(parts))
	var ws []*wanted
	for tp, at := range parts {
		s.own(tp)
		switch known := at.Offset >= 0 && !s.void(streamed(tp), at); {
		case known:
			a := assignment{stream.Assignment{TopicPartition: streamed(tp), TopicID: at.TopicID, Next: at.Offset, Committed: at.Offset,
				State: at.State, LogEnd: at.Offset}, at.LeaderEpoch}
			if a.State == "" || a.epoch < 0 {
				as = append(as, a)
				continue
			}
			ws = append(ws, &wanted{tp: tp, stored: &a})
		case s.cfg.Start.kind == fail:
			return s.noOffset(tp)
		default:
			ws = append(ws, &wanted{tp: tp, topic: at.TopicID, from: s.cfg.Start})
		}
	}
	if len(as) > 0 {
		if err := s.assign(ctx, as...); err != nil {
			return err
		}
	}
	s.want(ws...)
	return nil
}

// Commit stores positions under this member's generation. It refuses those of lost partitions,
// which another member commits: their Lose may be still to come.
func (s *kafkaSource) Commit(ctx context.Context, positions map[stream.TopicPartition]stream.Position) error {
	if s.member == nil {
		return nil
	}
	asked := make(map[wire.TopicPartition]group.Position, len(positions))
	for tp, at := range positions {
		asked[wired(tp)] = group.Position{Offset: at.Offset, TopicID: at.TopicID,
			State: at.State, LeaderEpoch: s.epochOf(wired(tp))}
	}
	failed := map[stream.TopicPartition]error{}
	for tp, err := range s.member.Commit(ctx, asked) {
		var refused *kafkaerr.GroupError
		if !errors.Is(err, group.ErrLost) && errors.As(err, &refused) {
			err = stream.Permanent(err)
		}
		failed[streamed(tp)] = err
	}
	if s.loseRefused(ctx, failed); len(failed) == 0 {
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
	return stream.GroupMetadata{Group: s.cfg.Group, Member: id.Member, Instance: s.cfg.InstanceID, Generation: id.Generation, LeaderEpochs: s.leaderEpochs()}
}
