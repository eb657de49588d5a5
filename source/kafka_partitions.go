package source

import (
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// readPartitions reads the configured partitions, without a group, until ctx ends or all reach
// their end.
func (s *kafkaSource) readPartitions(ctx context.Context) error {
	end := newCountdown()
	s.end = end
	var tps []wire.TopicPartition
	var ws []*wanted
	for tp, span := range s.cfg.Partitions {
		f := wired(tp)
		if t, _ := s.client.Topic(tp.Topic); t.Partitions != nil {
			if _, there := t.Partitions[int32(tp.Partition)]; !there {
				return &kafkaerr.TopicError{Topic: tp.Topic, Err: fmt.Errorf("it has %d partitions, but no partition %d", len(t.Partitions), tp.Partition)}
			}
		}
		end.add(f)
		tps, ws = append(tps, f), append(ws, &wanted{tp: f, topic: s.idOf(tp.Topic), from: span.From, to: span.To})
	}
	s.own(tps...)
	s.want(ws...)
	select {
	case <-end.over:
		return nil // the pipeline finishes the records it was fed
	case <-ctx.Done():
	}
	s.revoke(ctx, tps)
	return nil
}

// idOf returns the id of a topic, as of the latest metadata.
func (s *kafkaSource) idOf(topic string) stream.TopicID {
	t, _ := s.client.Topic(topic)
	return t.ID
}

// countdown closes over once every added partition is done.
type countdown struct {
	mu   sync.Mutex // guards left
	left map[wire.TopicPartition]bool
	over chan struct{} // closed by the last call of done
}

func newCountdown() *countdown {
	return &countdown{left: map[wire.TopicPartition]bool{}, over: make(chan struct{})}
}

func (c *countdown) add(tp wire.TopicPartition) { c.left[tp] = true }

func (c *countdown) done(tp wire.TopicPartition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left[tp] {
		return
	}
	if delete(c.left, tp); len(c.left) == 0 {
		close(c.over)
	}
}
