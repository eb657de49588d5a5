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

// Kafka writes messages to Kafka. One is done when every in-sync replica has it (acks=all); the
// producer is idempotent, so no retry of its own writes one twice or out of order.
//
// KafkaConfig.Topic says where to; where it is empty, each message's own Topic does, and a message
// without one fails. Key, Value (nil: a tombstone), Headers and Time (the zero time.Time: now) are
// written as they are; Partition and Offset, which say where a message came from, are not looked
// at.
//
// Elements of all lanes and partitions share batches. What cannot be written fails alone: a
// *kafkaerr.TooLargeError or *kafkaerr.RefusedError (a record that the topic does not take; both
// are Permanent, so no Retry repeats them), a *kafkaerr.TopicError (unknown for
// UnknownTopicTimeout, or not authorised), a *kafkaerr.DeliveryError (not acknowledged within
// DeliveryTimeout). With the last two, what is queued behind it in its partition fails too, so that
// a Retry below keeps the order.
//
// Brokers from 3.6 on. Goroutines: two a broker and two. Memory: 32 MiB of batches on their way, at
// most.
func Kafka(c KafkaConfig) stream.Sink[kafka.Message] {
	return &kafkaSink{cfg: c}
}

type kafkaSink struct {
	cfg KafkaConfig

	// guards what follows; held while it opens, so that who comes second finds it open
	mu     sync.Mutex
	opened int // by how many chains, or words of one
	client *wire.Client
	out    *produce.Producer
}

func (s *kafkaSink) String() string { return s.cfg.name("kafka") }
func (s *kafkaSink) Check() error   { return errors.Join(s.cfg.faults("sink.Kafka")...) }

// Open connects, with credentials and, where there is one, the topic looked at.
func (s *kafkaSink) Open(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == 0 {
		s.client = s.cfg.client()
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

// write writes n messages to the topic that the configuration names, or to their own.
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

// permanent marks what no retry mends.
func permanent(err error) error {
	var large *kafkaerr.TooLargeError
	var refused *kafkaerr.RefusedError
	if errors.As(err, &large) || errors.As(err, &refused) {
		return stream.Permanent(err)
	}
	return err
}
