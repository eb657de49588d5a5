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

// connect waits until a broker answers and all topics are known. It returns the topics that the
// user may not read, if there are others.
func (s *kafkaSource) connect(ctx context.Context) (denied []wire.Topic, err error) {
	topics := slices.Sorted(maps.Keys(s.cfg.topics()))
	start := time.Now()
	var reached time.Time
	for {
		found, err := s.describe(ctx, topics, start)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			found, denied = splitDenied(found)
			if err = missing(found); err == nil {
				s.health.set(&s.health.cluster, nil)
				s.askStateBytes(ctx)
				return denied, nil
			}
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

// splitDenied separates the topics that the user may not read from the others, if there are others.
func splitDenied(topics []wire.Topic) (found, denied []wire.Topic) {
	for _, t := range topics {
		if errors.Is(t.Err, wire.TopicAuthorization) {
			denied = append(denied, t)
		} else {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return topics, nil
	}
	return found, denied
}

// deny reports topics that the user may not read.
func (s *kafkaSource) deny(topics []wire.Topic) {
	for _, t := range topics {
		s.trouble(wire.TopicPartition{Topic: t.Name, Partition: whole}, &kafkaerr.TopicError{Topic: t.Name, Err: t.Err})
	}
}

// describe asks for the topics once, within the rest of ConnectTimeout.
func (s *kafkaSource) describe(ctx context.Context, topics []string, start time.Time) ([]wire.Topic, error) {
	left := max(time.Until(start.Add(s.cfg.ConnectTimeout)), time.Second)
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return s.client.Metadata(ctx, topics...)
}

// missing returns the errors of topics; nil if there are none.
func missing(topics []wire.Topic) error {
	var errs []error
	for _, t := range topics {
		if t.Err != nil {
			errs = append(errs, &kafkaerr.TopicError{Topic: t.Name, Err: t.Err})
		}
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
		case ours[t.Name] && errors.Is(t.Err, wire.TopicAuthorization):
			s.deny([]wire.Topic{t})
		}
	}
	return n, nil
}
