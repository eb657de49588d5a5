package source

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// assign begins to read partitions.
func (s *kafkaSource) assign(ctx context.Context, as ...stream.Assignment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin(ctx, as)
}

// begin is assign for who holds mu.
func (s *kafkaSource) begin(ctx context.Context, as []stream.Assignment) error {
	for i := range as {
		tp := fetch.TP(as[i].TopicPartition)
		as[i].Wake = func() { s.fetcher.Wake(tp) }
	}
	parts, err := s.in.Assign(ctx, as...)
	if err != nil {
		return err
	}
	for _, p := range parts {
		tp := fetch.TP(p.TP())
		s.live[tp] = p
		var to fetch.Partition = feeding{p}
		if limit, ends := s.limits[tp]; ends {
			to = limited{Partition: to, to: limit, reached: func() { s.end.done(tp) }}
		}
		s.fetcher.Add(tp, to)
	}
	return nil
}

// revoke drains partitions, commits them and lets them go.
func (s *kafkaSource) revoke(ctx context.Context, tps []fetch.TP) {
	s.fetcher.Remove(tps...)
	s.mu.Lock()
	var parts []*stream.Partition[kafka.Message]
	for _, tp := range tps {
		if p := s.live[tp]; p != nil {
			delete(s.live, tp)
			s.draining[tp] = p
			parts = append(parts, p)
		}
	}
	s.mu.Unlock()
	s.in.Revoke(ctx, parts...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		if tp := fetch.TP(p.TP()); s.draining[tp] == p {
			delete(s.draining, tp)
		}
	}
}

// lose gives up partitions that are another member's already.
func (s *kafkaSource) lose(err error, tps []fetch.TP) {
	s.fetcher.Remove(tps...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tp := range tps {
		for _, of := range []map[fetch.TP]*stream.Partition[kafka.Message]{s.live, s.draining} {
			if p := of[tp]; p != nil {
				delete(of, tp)
				s.in.Lose(err, p)
			}
		}
	}
}

// reset is told when a position was not in the log. A move back means that what was finished is to be done again, so it is another epoch.
func (s *kafkaSource) reset(tp fetch.TP, from, to int64, back bool) {
	s.in.Emit(stream.OffsetReset{TopicPartition: stream.TopicPartition(tp), From: from, To: to, Policy: s.cfg.Reset.String()})
	if back {
		s.rewind(tp, from, to)
	}
}

func (s *kafkaSource) rewind(tp fetch.TP, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.live[tp]
	if p == nil {
		return // revoked or lost meanwhile
	}
	s.fetcher.Remove(tp)
	s.in.Lose(fmt.Errorf("the log ends before offset %d: reading goes on at %d", from, to), p)
	delete(s.live, tp)
	again := stream.Assignment{TopicPartition: stream.TopicPartition(tp), Next: to, Committed: -1}
	if err := s.begin(context.Background(), []stream.Assignment{again}); err != nil {
		s.in.Emit(stream.SourceEvent{TopicPartition: again.TopicPartition, Name: "reset failed", Err: err})
	}
}

// fetchEvent passes an event of the fetch loops on.
func (s *kafkaSource) fetchEvent(e fetch.Event) {
	switch e.Name {
	case "metadata failed":
		s.in.Online(e.Err)
	case "recovered":
		s.in.Online(nil)
	}
	s.in.Emit(stream.SourceEvent{TopicPartition: stream.TopicPartition(e.TP), Name: e.Name, Text: e.Text, Err: e.Err})
}
