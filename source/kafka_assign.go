package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// assign starts reading partitions.
func (s *kafkaSource) assign(ctx context.Context, as ...assignment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin(ctx, unchanged, as...)
}

func unchanged(f feeding) fetch.Partition { return f }

// begin is assign for callers that hold mu. feed wraps the partition that the fetch loop feeds.
func (s *kafkaSource) begin(ctx context.Context, feed func(feeding) fetch.Partition, starts ...assignment) error {
	as := make([]stream.Assignment, len(starts))
	became := make([]*stream.Partition[kafka.Message], len(as)) // written and read under mu
	for i := range as {
		as[i] = starts[i].Assignment
		as[i].Scope = s.scope()
		tp := wired(as[i].TopicPartition)
		if s.member != nil {
			as[i].Expired = s.member.Expired
		}
		as[i].Wake = func() { s.fetcher.Wake(tp) }
		as[i].Restart = func(next int64) {
			s.restartByPipeline(tp, next, func(p *stream.Partition[kafka.Message]) bool { return p == became[i] })
		}
	}
	parts, err := s.in.Assign(ctx, as...)
	if err != nil {
		return err
	}
	for i, p := range parts {
		tp := wired(p.TopicPartition())
		s.live[tp], became[i] = p, p
		epoch := newLeaderEpoch(starts[i].epoch)
		s.epochs[tp] = epoch
		s.disown(tp) // clear earlier troubles
		s.own(tp)
		to := feed(feeding{p, epoch})
		if limit, ends := s.limits[tp]; ends {
			to = limited{Partition: to, to: limit, reached: func() { s.end.done(tp) }}
		}
		s.fetcher.Add(tp, to)
	}
	return nil
}

// revoke drains, commits and releases partitions.
func (s *kafkaSource) revoke(ctx context.Context, tps []wire.TopicPartition) {
	s.fetcher.Remove(tps...)
	s.mu.Lock()
	var parts []*stream.Partition[kafka.Message]
	s.disown(tps...)
	for _, tp := range tps {
		delete(s.wanted, tp)
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
		if tp := wired(p.TopicPartition()); s.draining[tp] == p {
			delete(s.draining, tp)
			delete(s.epochs, tp)
		}
	}
}

// lose gives up partitions that may belong to another member already.
func (s *kafkaSource) lose(err error, tps []wire.TopicPartition) {
	s.fetcher.Remove(tps...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disown(tps...)
	for _, tp := range tps {
		delete(s.wanted, tp)
		delete(s.epochs, tp)
		for _, of := range []map[wire.TopicPartition]*stream.Partition[kafka.Message]{s.live, s.draining} {
			if p := of[tp]; p != nil {
				delete(of, tp)
				s.in.Lose(err, p)
			}
		}
	}
}

// reset is called when an offset was not in the log. Moving back redelivers finished records, so
// the partition is assigned again.
func (s *kafkaSource) reset(tp wire.TopicPartition, from, to int64, back bool) {
	s.in.Emit(stream.OffsetReset{TopicPartition: streamed(tp), From: from, To: to, Policy: s.cfg.Reset.String()})
	if back {
		s.rewind(tp, from, to)
	}
}

func (s *kafkaSource) rewind(tp wire.TopicPartition, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.live[tp]; p != nil {
		s.restart(p, p.TopicID(), to, fmt.Errorf("the log ends before offset %d: reading continues at %d [LW402]", from, to))
	}
}

// restart assigns a live partition again, at offset to. The caller holds mu.
func (s *kafkaSource) restart(was *stream.Partition[kafka.Message], id stream.TopicID, to int64, cause error) {
	s.reassign(was, id, to, cause, func(f feeding) fetch.Partition {
		return &restarted{feeding: f, to: to, cause: cause, refuse: s.stopReading}
	})
}

var errRestarted = errors.New("the pipeline restarts the partition [LW403]")

// restartByPipeline assigns a partition again after the pipeline released it. It does nothing if
// that partition is no longer the live one.
func (s *kafkaSource) restartByPipeline(tp wire.TopicPartition, next int64, same func(*stream.Partition[kafka.Message]) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.live[tp]; p != nil && same(p) {
		s.reassign(p, p.TopicID(), next, errRestarted, unchanged)
	}
}

// reassign loses a live partition and assigns it again at next. The caller holds mu.
func (s *kafkaSource) reassign(was *stream.Partition[kafka.Message], id stream.TopicID, next int64, cause error,
	feed func(feeding) fetch.Partition) {
	tp := wired(was.TopicPartition())
	s.fetcher.Remove(tp)
	s.in.Lose(cause, was)
	delete(s.live, tp)
	a := fresh(stream.Assignment{TopicPartition: was.TopicPartition(), TopicID: id, Next: next, Committed: -1})
	if err := s.begin(context.Background(), feed, a); err != nil {
		s.stopReading(err)
	}
}

// fetchEvent passes on an event of the fetch loops.
func (s *kafkaSource) fetchEvent(e fetch.Event) {
	switch e.Name {
	case "metadata failed":
		s.health.set(&s.health.cluster, e.Err)
	case "recovered":
		s.health.set(&s.health.cluster, nil)
	}
	s.in.Emit(stream.SourceEvent{TopicPartition: streamed(e.TopicPartition), Name: e.Name, Text: e.Text, Err: e.Err})
}
