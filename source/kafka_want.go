package source

import (
	"context"
	"maps"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
)

// wanted is a partition of this worker whose start offset is still being looked up. It waits alone:
// the others are read, and it can be revoked or lost.
type wanted struct {
	tp       wire.TopicPartition
	topic    stream.TopicID
	from, to Position // a zero to means no end
	since    time.Time
	// the stored offset if only its LogEnd is wanted; nil if the start offset is wanted
	stored *assignment
}

// want starts partitions once their start offsets are known.
func (s *kafkaSource) want(ws ...*wanted) {
	s.mu.Lock()
	for _, w := range ws {
		w.since = time.Now()
		s.wanted[w.tp] = w
	}
	s.mu.Unlock()
	s.find(ws, 1)
}

// query is the part that the partitions of one request have in common.
type query struct {
	leader   int32
	from, to Position
	stored   bool
}

// find looks up the starts of partitions, each leader by itself, so that a leader that does not
// answer delays no other.
func (s *kafkaSource) find(ws []*wanted, try int) {
	queries := map[query][]*wanted{}
	for _, w := range ws {
		q := query{fetch.Leader(s.client, w.tp), w.from, w.to, w.stored != nil}
		queries[q] = append(queries[q], w)
	}
	for q, ws := range queries {
		s.finders.Go(func() { s.ask(q, ws, try) })
	}
}

// ask asks one leader, starts the partitions with an answer, and looks up the rest again after a
// while.
func (s *kafkaSource) ask(q query, ws []*wanted, try int) {
	ctx := s.finding
	answer := s.places
	if q.stored {
		answer = s.ends
	}
	start, failed := answer(ctx, q, ws)
	var left []*wanted
	for _, w := range ws {
		err := failed[w.tp]
		if err == nil {
			s.trouble(wire.TopicPartition{Topic: w.tp.Topic, Partition: whole}, nil)
			if err = start(w); err != nil {
				s.stopReading(err)
				return
			}
			continue
		}
		if left = append(left, w); time.Since(w.since) >= fetch.TroubleAfter || wire.Fatal(err) {
			s.trouble(w.tp, err)
		}
	}
	if len(left) == 0 || !finds.Pause(ctx, try) {
		return
	}
	if left = s.stillWanted(left); len(left) == 0 {
		return
	}
	// if this fails, the retry uses the metadata known so far
	_, _ = s.client.Metadata(ctx, topicsOf(left)...)
	s.find(left, try+1)
}

// places asks where partitions start and end, and returns a func that starts one of them.
func (s *kafkaSource) places(ctx context.Context, q query, ws []*wanted) (start func(*wanted) error, failed map[wire.TopicPartition]error) {
	tps := make([]wire.TopicPartition, len(ws))
	for i, w := range ws {
		tps[i] = w.tp
	}
	from, failed := s.locate(ctx, q.leader, q.from, tps...)
	to := map[wire.TopicPartition]int64{}
	if (Span{To: q.to}).ends() {
		var endless map[wire.TopicPartition]error
		to, endless = s.locate(ctx, q.leader, q.to, tps...)
		maps.Copy(failed, endless)
	}
	return func(w *wanted) error { return s.found(ctx, w, from[w.tp], to) }, failed
}

var finds = backoff.Policy{First: 100 * time.Millisecond, Most: 2 * time.Second}

func topicsOf(ws []*wanted) []string {
	var names []string
	seen := map[string]bool{}
	for _, w := range ws {
		if !seen[w.tp.Topic] {
			seen[w.tp.Topic] = true
			names = append(names, w.tp.Topic)
		}
	}
	return names
}

// stillWanted returns the partitions that were not revoked or lost in the meantime.
func (s *kafkaSource) stillWanted(ws []*wanted) (left []*wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range ws {
		if s.wanted[w.tp] == w {
			left = append(left, w)
		}
	}
	return left
}

// found starts a partition, unless it was revoked or lost in the meantime, or ends where it starts.
func (s *kafkaSource) found(ctx context.Context, w *wanted, from int64, to map[wire.TopicPartition]int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted[w.tp] != w {
		return nil
	}
	delete(s.wanted, w.tp)
	if limit, ends := to[w.tp]; ends {
		if from >= limit {
			s.end.done(w.tp)
			s.disown(w.tp)
			return nil
		}
		s.limits[w.tp] = limit
	}
	if w.topic == (stream.TopicID{}) {
		w.topic = s.idOf(w.tp.Topic)
	}
	a := stream.Assignment{TopicPartition: streamed(w.tp), TopicID: w.topic, Next: from, Committed: -1}
	if s.cfg.Group != "" {
		s.in.Emit(stream.OffsetReset{TopicPartition: a.TopicPartition, From: -1, To: from, Policy: w.from.String()})
	}
	return s.begin(ctx, unchanged, fresh(a))
}
