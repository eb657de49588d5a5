package source

import (
	"errors"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// health is why the source cannot read, as a whole or for single partitions. Ready reports it.
type health struct {
	mu       sync.Mutex // guards the fields below; held during online and Trouble, which return at once
	online   func(error)
	cluster  error                         // no broker answers
	group    error                         // it is not a member of its group, or gets no answer from it
	mine     map[wire.TopicPartition]bool  // assigned to this worker
	troubles map[wire.TopicPartition]error // of those, and of whole topics
}

// whole is the partition number of a trouble with a whole topic.
const whole = -1

func (h *health) init(online func(error), group error) {
	h.online, h.group = online, group
	h.mine, h.troubles = map[wire.TopicPartition]bool{}, map[wire.TopicPartition]error{}
}

// set records an error of the cluster or the group, or nil.
func (h *health) set(what *error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*what = err
	h.report()
}

// report passes on why no partition can be read, or nil. The caller holds mu.
func (h *health) report() { h.online(errors.Join(h.cluster, h.group, h.brokers())) }

// brokers returns an error if no partition can be read because the brokers of all are unreachable.
func (h *health) brokers() (err error) {
	for tp := range h.mine {
		var unreachable *kafkaerr.UnreachableError
		if err = h.troubles[tp]; !errors.As(err, &unreachable) {
			return nil
		}
	}
	return err
}

// trouble reports why a partition cannot be read; nil means that it can be read again.
func (s *kafkaSource) trouble(tp wire.TopicPartition, err error) {
	h := &s.health
	h.mu.Lock()
	old := h.troubles[tp]
	concerns := h.mine[tp] || tp.Partition == whole
	news := concerns && (err == nil) != (old == nil)
	if news || concerns && wire.CodeOf(err) != wire.CodeOf(old) {
		s.in.Trouble(streamed(tp), err)
		if h.troubles[tp] = err; err == nil {
			delete(h.troubles, tp)
		}
		h.report()
	}
	denied := h.denied()
	h.mu.Unlock()
	switch {
	case !news:
	case err == nil:
		s.in.Emit(stream.SourceEvent{TopicPartition: streamed(tp), Name: "partition continues", Text: "it is read again"})
	case len(denied) == len(s.cfg.topics()):
		s.stopReading(err)
	default:
		s.in.Emit(stream.SourceEvent{TopicPartition: streamed(tp), Name: "partition waits", Text: "the other partitions are read", Err: err})
	}
}

// lacking returns the topics that cannot be had.
func (h *health) lacking() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for tp := range h.troubles {
		if tp.Partition == whole {
			names = append(names, tp.Topic)
		}
	}
	return names
}

// denied returns the topics that the user may not read. The caller holds mu.
func (h *health) denied() map[string]bool {
	topics := map[string]bool{}
	for tp, err := range h.troubles {
		if errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed) {
			topics[tp.Topic] = true
		}
	}
	return topics
}

// own records that partitions belong to this worker.
func (s *kafkaSource) own(tps ...wire.TopicPartition) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for _, tp := range tps {
		s.health.mine[tp] = true
	}
	s.health.report()
}

// disown records that partitions no longer belong to this worker.
func (s *kafkaSource) disown(tps ...wire.TopicPartition) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for _, tp := range tps {
		delete(s.health.mine, tp)
		if s.health.troubles[tp] != nil {
			delete(s.health.troubles, tp)
			s.in.Trouble(streamed(tp), nil)
		}
	}
	s.health.report()
}
