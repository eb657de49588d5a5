package source

import (
	"context"
	"fmt"
	"sync"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/kafkaerr"
	"github.com/laneway-go/laneway/stream"
)

// readPartitions reads the configured partitions, without a group, until ctx ends or all have come to their end.
func (s *kafkaSource) readPartitions(ctx context.Context) error {
	from, to, err := s.spans(ctx)
	if err != nil {
		return err
	}
	end := newCountdown()
	s.limits, s.end = to, end
	var as []stream.Assignment
	for tp := range s.cfg.Partitions {
		f := fetch.TP(tp)
		if limit, ends := to[f]; !ends {
			end.add(f)
		} else if from[f] < limit {
			end.add(f)
		} else {
			continue // nothing to read
		}
		as = append(as, stream.Assignment{TopicPartition: tp, TopicID: s.idOf(tp.Topic), Next: from[f], Committed: -1})
	}
	if len(as) == 0 {
		return nil
	}
	if err := s.assign(ctx, as...); err != nil {
		return err
	}
	select {
	case <-end.over:
		return nil // the pipeline finishes what it was fed
	case <-ctx.Done():
	}
	tps := make([]fetch.TP, len(as))
	for i, a := range as {
		tps[i] = fetch.TP(a.TopicPartition)
	}
	s.revoke(ctx, tps)
	return nil
}

// idOf is the id that a topic had when it was last asked for.
func (s *kafkaSource) idOf(topic string) stream.TopicID {
	t, _ := s.client.Topic(topic)
	return t.ID
}

// spans finds the offsets where partitions begin and, if they do, end.
func (s *kafkaSource) spans(ctx context.Context) (from, to map[fetch.TP]int64, err error) {
	from, to = map[fetch.TP]int64{}, map[fetch.TP]int64{}
	for tp, span := range s.cfg.Partitions {
		f := fetch.TP(tp)
		if t, _ := s.client.Topic(tp.Topic); t.Partitions != nil {
			if _, there := t.Partitions[int32(tp.Partition)]; !there {
				return nil, nil, &kafkaerr.TopicError{Topic: tp.Topic, Err: fmt.Errorf("it has %d partitions, there is no partition %d", len(t.Partitions), tp.Partition)}
			}
		}
		begin, err := s.resolve(ctx, span.From, f)
		if err != nil {
			return nil, nil, err
		}
		from[f] = begin[f]
		if span.ends() {
			end, err := s.resolve(ctx, span.To, f)
			if err != nil {
				return nil, nil, err
			}
			to[f] = end[f]
		}
	}
	return from, to, nil
}

// countdown closes over when every partition that was added is done.
type countdown struct {
	mu   sync.Mutex // guards left
	left map[fetch.TP]bool
	over chan struct{} // closed by the last done
}

func newCountdown() *countdown {
	return &countdown{left: map[fetch.TP]bool{}, over: make(chan struct{})}
}

func (c *countdown) add(tp fetch.TP) { c.left[tp] = true }

func (c *countdown) done(tp fetch.TP) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left[tp] {
		return
	}
	if delete(c.left, tp); len(c.left) == 0 {
		close(c.over)
	}
}
