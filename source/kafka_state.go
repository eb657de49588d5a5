package source

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/group"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// A resume state is stored in the metadata of a group's offset. It speaks of records that were in
// the log then. If a leader was elected that did not have all of them, others stand at their
// offsets now: so the newest leader epoch that was fed is stored beside it, and who takes the
// partition over asks where the log of that epoch ends.

// assignment is a partition to begin, and the leader epoch that is stored with its offset.
type assignment struct {
	stream.Assignment
	epoch int32 // -1: none is
}

// fresh is an assignment without anything stored.
func fresh(a stream.Assignment) assignment { return assignment{a, -1} }

// leaderEpoch is the newest that a partition's state may speak of.
type leaderEpoch struct{ atomic.Int32 }

func newLeaderEpoch(stored int32) *leaderEpoch {
	e := new(leaderEpoch)
	e.Store(stored)
	return e
}

// raise is called by one goroutine at a time. What is fed first may be older than what the stored
// state speaks of.
func (e *leaderEpoch) raise(to int32) {
	if to > e.Load() {
		e.Store(to)
	}
}

// epochOf is the epoch to store with a partition's offset.
func (s *kafkaSource) epochOf(tp fetch.TP) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.epochs[tp]; e != nil {
		return e.Load()
	}
	return -1
}

// scope is what offsets are stored under.
func (s *kafkaSource) scope() string {
	if s.cfg.Group == "" {
		return ""
	}
	return s.client.Cluster() + "/" + s.cfg.Group
}

// boundWithin is how long a leader may fail to say where the log of an epoch ends.
const boundWithin = 10 * time.Second

// ends asks where the logs end that states were written for, and begins one of those that are
// found. One whose leader answers something else for too long begins without its state: its work is
// done again. While a leader cannot be had at all, there is nothing to read and no hurry.
func (s *kafkaSource) ends(ctx context.Context, q query, ws []*wanted) (begin func(*wanted) error, failed map[fetch.TP]error) {
	epochs := make(map[fetch.TP]int32, len(ws))
	for _, w := range ws {
		epochs[w.tp] = w.stored.epoch
	}
	found, failed := fetch.EpochEnds(ctx, s.client, q.leader, epochs)
	for _, w := range ws {
		err := failed[w.tp]
		if err == nil || unreadable(err) || time.Since(w.since) < boundWithin {
			continue
		}
		delete(failed, w.tp)
		s.in.Emit(stream.SourceEvent{TopicPartition: stream.TopicPartition(w.tp), Name: "state unbounded", Err: err,
			Text: fmt.Sprintf("the resume state is not used, and what had finished above offset %d is done again: the leader does not say "+
				"whether the log was cut off since", w.stored.Committed)})
	}
	return func(w *wanted) error { return s.resume(ctx, w, found[w.tp]) }, failed
}

// unreadable reports whether err is about a leader that cannot be read from either.
func unreadable(err error) bool {
	var unreachable *kafkaerr.UnreachableError
	return errors.As(err, &unreachable) || errors.Is(err, wire.LeaderNotAvailable) || errors.Is(err, wire.TopicAuthorization)
}

// resume begins a partition at its stored offset, unless it was revoked or lost meanwhile.
func (s *kafkaSource) resume(ctx context.Context, w *wanted, end int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted[w.tp] != w {
		return nil
	}
	delete(s.wanted, w.tp)
	a := *w.stored
	a.LogEnd = max(end, a.Committed)
	return s.begin(ctx, plainly, a)
}

// stateRefused notes that brokers do not take states of some size.
func (s *kafkaSource) stateRefused(tp group.TP, limit int, err error) {
	s.stateBytes.Store(int64(limit))
	s.in.Emit(stream.SourceEvent{TopicPartition: stream.TopicPartition{Topic: tp.Topic, Partition: int(tp.Partition)}, Name: "state refused", Err: err,
		Text: fmt.Sprintf("the offset is stored without its resume state: if the partition moves now, what has finished above it is done again. "+
			"States of up to %d bytes are tried from now on; the brokers' offset.metadata.max.bytes decides", limit)})
}
