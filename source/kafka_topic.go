package source

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// A topic that is deleted is gone with its offsets, and one that is made again under its name is
// another topic, which begins as one that is read for the first time. Partitions are assigned,
// fetched and committed under the id of their topic.

// recreated begins a partition of a topic that was made again.
func (s *kafkaSource) recreated(ctx context.Context, tp fetch.TP, id [16]byte) error {
	from := s.cfg.Start
	if s.cfg.Group == "" {
		from = s.cfg.Partitions[stream.TopicPartition(tp)].From
	}
	if from.kind == fail {
		s.stopReading(s.noOffset(tp))
		return nil
	}
	starts, failed := s.locate(ctx, fetch.Leader(s.client, tp), from, tp)
	if err := failed[tp]; err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.live[tp]
	if p == nil { // it was revoked or lost meanwhile
		return nil
	}
	s.in.Emit(stream.TopicRecreated{TopicPartition: p.TopicPartition(), Offset: p.Next(), Old: p.TopicID(), New: id})
	s.in.Emit(stream.OffsetReset{TopicPartition: p.TopicPartition(), From: -1, To: starts[tp], Policy: from.String()})
	s.restart(p, id, starts[tp], &stream.TopicGoneError{Partitions: []stream.TopicPartition{p.TopicPartition()}})
	return nil
}

// void reports whether an offset that is committed is that of an earlier topic of the name, and
// says so.
func (s *kafkaSource) void(tp stream.TopicPartition, at group.Position) bool {
	stored := stream.TopicID(at.StoredFor)
	if at.Offset < 0 || at.StoredFor == at.TopicID || stored == (stream.TopicID{}) {
		return false
	}
	s.in.Emit(stream.TopicRecreated{TopicPartition: tp, Offset: at.Offset, Old: stored, New: at.TopicID})
	return true
}

// unknownTopic reports whether a coordinator has refused an offset because it does not know its
// topic, or not under that id.
func unknownTopic(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.Error(wire.UnknownTopicID))
}

// loseGone takes those out of the refused whose topic is not there any more, and that have nothing
// left to do but to be committed: that commit will never be, and they are let go. One that is still
// read goes on trying, until the fetches find the topic made again or the group takes the partition
// away. A coordinator may be behind with its metadata, so the cluster is asked too.
func (s *kafkaSource) loseGone(ctx context.Context, refused map[stream.TopicPartition]error) {
	type topic struct {
		name string
		id   stream.TopicID
	}
	gone := map[topic]bool{}
	for tp, err := range refused {
		if !unknownTopic(err) {
			continue
		}
		s.fetcher.Refresh()
		s.mu.Lock()
		p := s.draining[fetch.TP(tp)]
		s.mu.Unlock()
		if p == nil {
			continue
		}
		of := topic{tp.Topic, p.TopicID()}
		is, asked := gone[of]
		if !asked {
			is, _ = s.client.Gone(ctx, of.name, of.id) // if that fails, the commit is tried again
			gone[of] = is
		}
		if is {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{tp}, Err: err}, p)
			delete(refused, tp)
		}
	}
}

// ids tells a group the ids of its topics.
func (s *kafkaSource) ids(ctx context.Context, topics []string) (map[string][16]byte, error) {
	found, err := s.client.Metadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	ids := make(map[string][16]byte, len(found))
	for _, t := range found {
		if t.Err == nil {
			ids[t.Name] = t.ID
		}
	}
	return ids, nil
}
