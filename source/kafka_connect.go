package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/kafkaerr"
	"github.com/laneway-go/laneway/stream"
)

const connectPause = 250 * time.Millisecond

// connect waits until a broker answers and all topics are known.
func (s *kafkaSource) connect(ctx context.Context) error {
	topics := slices.Sorted(maps.Keys(s.cfg.topics()))
	began := time.Now()
	var reached time.Time
	for {
		found, err := s.look(ctx, topics, began)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if err = missing(found); err == nil {
				s.in.SetHealth(nil)
				return nil
			}
			if reached.IsZero() {
				reached = time.Now()
			}
			if wire.Fatal(err) || !wire.Retriable(err) || time.Since(reached) >= s.cfg.UnknownTopicTimeout {
				return fmt.Errorf("waiting for topics: %w", err)
			}
		case wire.Fatal(err):
			return err
		case time.Since(began) >= s.cfg.ConnectTimeout && reached.IsZero():
			return fmt.Errorf("no kafka broker was reached within %v (ConnectTimeout): %w", s.cfg.ConnectTimeout, err)
		}
		s.in.SetHealth(err)
		s.in.Emit(stream.SourceEvent{Name: "connecting", Err: err, Text: "it is tried again"})
		if !pause(ctx, connectPause) {
			return ctx.Err()
		}
	}
}

// look asks once, for no longer than is left to connect.
func (s *kafkaSource) look(ctx context.Context, topics []string, began time.Time) ([]wire.Topic, error) {
	left := max(time.Until(began.Add(s.cfg.ConnectTimeout)), time.Second)
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return s.client.Metadata(ctx, topics...)
}

// missing says what is wrong with topics; nil if nothing is.
func missing(topics []wire.Topic) error {
	var errs []error
	for _, t := range topics {
		if t.Err != nil {
			errs = append(errs, &kafkaerr.TopicError{Topic: t.Name, Err: t.Err})
		}
	}
	// The one that no patience mends decides.
	for _, err := range errs {
		if !wire.Retriable(err) {
			return err
		}
	}
	return errors.Join(errs...)
}

// counts tells a group's leader how many partitions its topics have.
func (s *kafkaSource) counts(ctx context.Context, topics []string) (map[string]int32, error) {
	found, err := s.client.Metadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	n := make(map[string]int32, len(found))
	for _, t := range found {
		if t.Err == nil {
			n[t.Name] = int32(len(t.Partitions))
		}
	}
	return n, nil
}
