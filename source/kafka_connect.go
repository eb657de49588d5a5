package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

const connectPause = 250 * time.Millisecond

// connect waits until a broker answers and a topic is known. It returns the others that are not.
func (s *kafkaSource) connect(ctx context.Context) (lacking []wire.Topic, err error) {
	topics := slices.Sorted(maps.Keys(s.cfg.topics()))
	start := time.Now()
	var reached time.Time
	for {
		found, err := s.describe(ctx, topics, start)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			if lacking = lacked(found); len(lacking) < len(found) {
				s.health.set(&s.health.cluster, nil)
				s.askStateBytes(ctx)
				return lacking, nil
			}
			err = missing(lacking)
			if reached.IsZero() {
				reached = time.Now()
			}
			if wire.Fatal(err) || !wire.Retriable(err) || time.Since(reached) >= s.cfg.UnknownTopicTimeout {
				return nil, fmt.Errorf("waiting for topics: %w", err)
			}
		case wire.Fatal(err):
			return nil, err
		case time.Since(start) >= s.cfg.ConnectTimeout && reached.IsZero():
			return nil, fmt.Errorf("reached no Kafka broker within %v (ConnectTimeout) [LW401]: %w", s.cfg.ConnectTimeout, err)
		}
		s.health.set(&s.health.cluster, err)
		s.in.Emit(stream.SourceEvent{Name: "connecting", Err: err, Text: "it retries"})
		if !backoff.Pause(ctx, connectPause) {
			return nil, ctx.Err()
		}
	}
}

// lacked returns the topics that cannot be had.
func lacked(topics []wire.Topic) []wire.Topic {
	return slices.DeleteFunc(slices.Clone(topics), func(t wire.Topic) bool { return t.Err == nil })
}

// describe asks for the topics once, within the rest of ConnectTimeout.
func (s *kafkaSource) describe(ctx context.Context, topics []string, start time.Time) ([]wire.Topic, error) {
	left := max(time.Until(start.Add(s.cfg.ConnectTimeout)), time.Second)
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return s.client.Metadata(ctx, topics...)
}

// missing returns the errors of topics that cannot be had.
func missing(topics []wire.Topic) error {
	var errs []error
	for _, t := range topics {
		errs = append(errs, &kafkaerr.TopicError{Topic: t.Name, Err: t.Err})
	}
	// An error that waiting cannot fix decides.
	for _, err := range errs {
		if !wire.Retriable(err) {
			return err
		}
	}
	return errors.Join(errs...)
}

// counts returns the partition counts of topics, for the leader of a group.
func (s *kafkaSource) counts(ctx context.Context, topics []string) (map[string]int32, error) {
	found, err := s.client.Metadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	n := make(map[string]int32, len(found))
	ours := s.cfg.topics()
	for _, t := range found {
		switch {
		case t.Err == nil:
			n[t.Name] = int32(len(t.Partitions))
			s.trouble(wire.TopicPartition{Topic: t.Name, Partition: whole}, nil)
		case ours[t.Name] && !wire.CodeOf(t.Err).In(wire.NoTopic): // a deleted topic is not waited for
			s.lack(t)
		}
	}
	return n, nil
}
