package source

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// seekEvery is how often the cluster is asked for topics that it did not know, or may not be read.
const seekEvery = 2 * time.Second

// lack reports topics that cannot be had, each by itself.
func (s *kafkaSource) lack(topics ...wire.Topic) {
	for _, t := range topics {
		s.trouble(wire.TopicPartition{Topic: t.Name, Partition: whole}, &kafkaerr.TopicError{Topic: t.Name, Err: t.Err})
	}
}

// seek looks for the topics that cannot be had. Their partitions are started by find, or by the
// leader of the group. A topic that stays unknown for UnknownTopicTimeout ends Run.
func (s *kafkaSource) seek(ctx context.Context) {
	unknown := map[string]time.Time{} // since when
	for backoff.Pause(ctx, seekEvery) {
		names := s.health.lacking()
		if len(names) == 0 {
			continue
		}
		found, _ := s.client.Metadata(ctx, names...) // if this fails, the next one may not
		for _, t := range found {
			if t.Err == nil {
				delete(unknown, t.Name)
				s.trouble(wire.TopicPartition{Topic: t.Name, Partition: whole}, nil)
				continue
			}
			s.lack(t)
			switch since, known := unknown[t.Name]; {
			case !wire.CodeOf(t.Err).In(wire.NoTopic):
				delete(unknown, t.Name)
			case !known:
				unknown[t.Name] = time.Now()
			case time.Since(since) >= s.cfg.UnknownTopicTimeout:
				s.stopReading(fmt.Errorf("waiting for topics: %w", missing([]wire.Topic{t})))
				return
			}
		}
	}
}
