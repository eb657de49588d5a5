package source

import (
	"errors"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
)

// health is what keeps the source from its work, as Ready tells it: as a whole, or single
// partitions.
type health struct {
	mu       sync.Mutex // guards what follows; held across Online and Trouble, which return at once
	online   func(error)
	cluster  error // no broker answers
	group    error // it is no member of its group, or hears nothing from it
	mine     map[fetch.TP]bool
	troubles map[fetch.TP]error // of those; and of whole topics
}

// whole is a topic as a whole.
const whole = -1

func (h *health) init(online func(error), group error) {
	h.online, h.group = online, group
	h.mine, h.troubles = map[fetch.TP]bool{}, map[fetch.TP]error{}
}

// say notes how the cluster or the group is.
func (h *health) say(what *error, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*what = err
	h.tell()
}

// tell says why no partition can be read, or nil. The caller holds mu.
func (h *health) tell() { h.online(errors.Join(h.cluster, h.group, h.brokers())) }

// brokers is why none of the partitions can be read, if that is because their brokers do not
// answer.
func (h *health) brokers() (err error) {
	for tp := range h.mine {
		var unreachable *kafkaerr.UnreachableError
		if err = h.troubles[tp]; !errors.As(err, &unreachable) {
			return nil
		}
	}
	return err
}

// trouble tells that a partition cannot be read and why, or with nil that it can again.
func (s *kafkaSource) trouble(tp fetch.TP, err error) {
	h := &s.health
	h.mu.Lock()
	old := h.troubles[tp]
	news := (h.mine[tp] || tp.Partition == whole) && (err == nil) != (old == nil)
	if news {
		s.in.Trouble(stream.TopicPartition(tp), err)
		if h.troubles[tp] = err; err == nil {
			delete(h.troubles, tp)
		}
		h.tell()
	}
	denied := h.denied()
	h.mu.Unlock()
	switch {
	case !news:
	case err == nil:
		s.in.Emit(stream.SourceEvent{TopicPartition: stream.TopicPartition(tp), Name: "partition goes on", Text: "it is read again"})
	case len(denied) == len(s.cfg.topics()):
		s.stopReading(err)
	default:
		s.in.Emit(stream.SourceEvent{TopicPartition: stream.TopicPartition(tp), Name: "partition waits", Text: "the others are read", Err: err})
	}
}

// denied is the topics that the user may not read. The caller holds mu.
func (h *health) denied() map[string]bool {
	topics := map[string]bool{}
	for tp, err := range h.troubles {
		if errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed) {
			topics[tp.Topic] = true
		}
	}
	return topics
}

// have notes that partitions are this worker's.
func (s *kafkaSource) have(tps ...fetch.TP) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for _, tp := range tps {
		s.health.mine[tp] = true
	}
	s.health.tell()
}

// forget notes that they are not any more.
func (s *kafkaSource) forget(tps ...fetch.TP) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for _, tp := range tps {
		delete(s.health.mine, tp)
		if s.health.troubles[tp] != nil {
			delete(s.health.troubles, tp)
			s.in.Trouble(stream.TopicPartition(tp), nil)
		}
	}
	s.health.tell()
}
