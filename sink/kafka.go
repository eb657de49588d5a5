package sink

import (
	"context"
	"errors"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// Kafka writes messages to Kafka. A message is done when every in-sync replica has it (acks=all).
// The producer is idempotent, so its own retries neither duplicate nor reorder messages.
//
// Messages go to KafkaConfig.Topic or, if that is empty, to their own Topic; without either, a
// message fails. Key, Value (nil: a tombstone), Headers and Time (zero: now) are written unchanged.
// Partition and Offset, which say where a message came from, are ignored.
//
// Elements of all lanes and partitions share batches, but an element that cannot be written fails
// alone:
//
//   - *kafkaerr.TooLargeError, *kafkaerr.RefusedError: the topic does not accept the record. Both
//     are Permanent, so no Retry repeats them.
//   - *kafkaerr.TopicError: the topic is unknown for UnknownTopicTimeout, or not authorised.
//   - *kafkaerr.DeliveryError: the record is not acknowledged within DeliveryTimeout.
//
// With the last two, the records queued behind it in its partition fail as well, so that a Retry
// below To keeps the order.
//
// Kafka needs brokers of version 3.6 or newer. It starts two goroutines per broker and two more,
// and holds at most 32 MiB of batches in flight.
func Kafka(c KafkaConfig) stream.Sink[kafka.Message] {
	return &kafkaSink{cfg: c}
}

type kafkaSink struct {
	cfg KafkaConfig

	// mu guards the fields below. Open holds it, so that a second caller waits until the first is
	// done.
	mu     sync.Mutex
	opened int // how often: by several chains, or by several words of one
	client *wire.Client
	out    *produce.Producer
}

func (s *kafkaSink) String() string { return s.cfg.name("kafka") }
func (s *kafkaSink) Check() error   { return errors.Join(s.cfg.faults("sink.Kafka")...) }

// Open connects, authenticates, and looks up the topic if the configuration names one.
func (s *kafkaSink) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == 0 {
		s.client = s.cfg.client(ctx)
		s.out = produce.New(s.cfg.producing(ctx, s.client))
		if err := s.out.Open(ctx); err != nil {
			s.client.Close()
			return err
		}
		if s.cfg.Topic != "" {
			if err := s.out.Find(ctx, s.cfg.Topic); err != nil {
				s.out.Close()
				s.client.Close()
				return err
			}
		}
	}
	s.opened++
	return nil
}

func (s *kafkaSink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened--; s.opened == 0 {
		s.out.Close()
		s.client.Close()
	}
	return nil
}

func (s *kafkaSink) Write(ctx context.Context, elems []stream.Out[kafka.Message]) error {
	return s.cfg.write(ctx, s.out, len(elems), func(i int) *kafka.Message { return &elems[i].Value })
}

// write writes n messages to the configured topic, or to their own topics.
func (c *KafkaConfig) write(ctx context.Context, out *produce.Producer, n int, at func(i int) *kafka.Message) error {
	failed, err := out.Write(ctx, n, c.Topic, at)
	switch {
	case err != nil:
		return err
	case len(failed) > 0:
		for i, err := range failed {
			failed[i] = permanent(err)
		}
		return &stream.PartialError{Errs: failed}
	}
	return nil
}

// permanent marks the errors that no retry can fix.
func permanent(err error) error {
	var large *kafkaerr.TooLargeError
	var refused *kafkaerr.RefusedError
	if errors.As(err, &large) || errors.As(err, &refused) {
		return stream.Permanent(err)
	}
	return err
}
