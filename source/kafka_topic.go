package source

import (
	"context"
	"errors"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// Deleting a topic deletes its offsets. A topic recreated under the same name is another topic, and
// is read as if for the first time. Partitions are assigned, fetched and committed under their
// topic's id.

// recreated restarts a partition after its topic was recreated. The span of a partition read
// without a group is looked up again.
func (s *kafkaSource) recreated(ctx context.Context, tp wire.TopicPartition, id [16]byte) error {
	span := Span{From: s.cfg.Start}
	if s.cfg.Group == "" {
		span = s.cfg.Partitions[streamed(tp)]
	}
	if span.From.kind == fail {
		s.stopReading(s.noOffset(tp))
		return nil
	}
	starts, failed := s.locate(ctx, fetch.Leader(s.client, tp), span.From, tp)
	var ends map[wire.TopicPartition]int64
	if err := failed[tp]; err == nil && span.ends() {
		ends, failed = s.locate(ctx, fetch.Leader(s.client, tp), span.To, tp)
	}
	if err := failed[tp]; err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.live[tp]
	if p == nil { // revoked or lost in the meantime
		return nil
	}
	if end, ok := ends[tp]; ok {
		s.limits[tp] = end
	}
	s.in.Emit(stream.TopicRecreated{TopicPartition: p.TopicPartition(), Offset: p.Next(), Old: p.TopicID(), New: id})
	s.in.Emit(stream.OffsetReset{TopicPartition: p.TopicPartition(), From: -1, To: starts[tp], Policy: span.From.String()})
	s.restart(p, id, starts[tp], &stream.TopicGoneError{Partitions: []stream.TopicPartition{p.TopicPartition()}})
	return nil
}

// void reports whether a committed offset belongs to an earlier topic of the same name, and emits
// an event if so.
func (s *kafkaSource) void(tp stream.TopicPartition, at group.Position) bool {
	stored := stream.TopicID(at.StoredFor)
	if at.Offset < 0 || at.StoredFor == at.TopicID || stored == (stream.TopicID{}) {
		return false
	}
	s.in.Emit(stream.TopicRecreated{TopicPartition: tp, Offset: at.Offset, Old: stored, New: at.TopicID})
	return true
}

// loseRefused loses draining partitions whose commit was refused because their topic is gone, may
// not be read anymore, or for a reason of their own that no retry mends: the drain waits for no
// commit that cannot succeed. A live partition keeps retrying, until the fetcher finds the topic
// recreated, the broker takes its offset again, or the group takes the partition away. A
// coordinator's metadata may be stale, so the cluster is asked whether a topic is gone.
func (s *kafkaSource) loseRefused(ctx context.Context, refused map[stream.TopicPartition]error) {
	final, missing := map[stream.TopicPartition]*stream.Partition[kafka.Message]{}, map[stream.TopicPartition]*stream.Partition[kafka.Message]{}
	var topics []wire.NamedTopic
	s.mu.Lock()
	for tp, err := range refused {
		p, own := s.draining[wired(tp)], (*kafkaerr.TopicError)(nil)
		switch {
		case errors.As(err, &own) && p != nil:
			final[tp] = p
		case !wire.CodeOf(err).In(wire.NoTopic):
		default:
			if s.fetcher.Refresh(); p != nil {
				missing[tp] = p
				topics = append(topics, named(p))
			}
		}
	}
	s.mu.Unlock()
	for tp, p := range final {
		s.in.Lose(refused[tp], p)
		delete(refused, tp)
	}
	if len(topics) == 0 {
		return
	}
	gone, _ := s.client.Gone(ctx, topics...) // if this fails, the commit is retried
	for tp, p := range missing {
		if gone[named(p)] {
			s.in.Lose(&stream.TopicGoneError{Partitions: []stream.TopicPartition{tp}, Err: refused[tp]}, p)
			delete(refused, tp)
		}
	}
}

// named returns the topic that a partition is read from.
func named(p *stream.Partition[kafka.Message]) wire.NamedTopic {
	return wire.NamedTopic{Name: p.TopicPartition().Topic, ID: p.TopicID()}
}

// ids returns the ids of a group's topics.
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
