package source

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// A resume state is stored in the metadata of a group's offset. It describes records that were in
// the log at that time. If a new leader lacked some of them, other records now have their offsets.
// So the newest fed leader epoch is stored beside the state, and the next owner of the partition
// asks where the log of that epoch ends.

// assignment is a partition to start, and the leader epoch stored with its offset.
type assignment struct {
	stream.Assignment
	epoch int32 // -1: none
}

// fresh returns an assignment without a stored state.
func fresh(a stream.Assignment) assignment { return assignment{a, -1} }

// leaderEpoch is the newest epoch of the records that a partition's state may describe.
type leaderEpoch struct{ atomic.Int32 }

func newLeaderEpoch(stored int32) *leaderEpoch {
	e := new(leaderEpoch)
	e.Store(stored)
	return e
}

// raise is called by one goroutine at a time. The first records fed may have an older epoch than
// the stored state.
func (e *leaderEpoch) raise(to int32) {
	if to > e.Load() {
		e.Store(to)
	}
}

// epochOf returns the epoch to store with a partition's offset.
func (s *kafkaSource) epochOf(tp wire.TopicPartition) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.epochs[tp]; e != nil {
		return e.Load()
	}
	return -1
}

// leaderEpochs returns the epochs to store with the offsets of all partitions.
func (s *kafkaSource) leaderEpochs() map[stream.TopicPartition]int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[stream.TopicPartition]int32, len(s.epochs))
	for tp, e := range s.epochs {
		all[streamed(tp)] = e.Load()
	}
	return all
}

// scope identifies where offsets are stored.
func (s *kafkaSource) scope() string {
	if s.cfg.Group == "" {
		return ""
	}
	return s.client.Cluster() + "/" + s.cfg.Group
}

// boundWithin is how long a leader may fail to report the end of an epoch's log.
const boundWithin = 10 * time.Second

// ends asks where the logs end that states were written for, and returns a func that starts a
// partition. If a leader answers with another error for too long, the partition starts without its
// state, and its finished records are reprocessed. While a leader is unreachable, there is nothing
// to read and no hurry.
func (s *kafkaSource) ends(ctx context.Context, q query, ws []*wanted) (start func(*wanted) error, failed map[wire.TopicPartition]error) {
	epochs := make(map[wire.TopicPartition]int32, len(ws))
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
		s.in.Emit(stream.SourceEvent{TopicPartition: streamed(w.tp), Name: "state unbounded", Err: err,
			Text: fmt.Sprintf("the resume state is not used, and records that had finished above offset %d are reprocessed: the leader does not report "+
				"whether the log was truncated since", w.stored.Committed)})
	}
	return func(w *wanted) error { return s.resume(ctx, w, found[w.tp]) }, failed
}

// unreadable reports whether err means that records cannot be read from the leader either.
func unreadable(err error) bool {
	var unreachable *kafkaerr.UnreachableError
	return errors.As(err, &unreachable) || errors.Is(err, wire.LeaderNotAvailable) || errors.Is(err, wire.TopicAuthorization)
}

// resume starts a partition at its stored offset, unless it was revoked or lost in the meantime.
func (s *kafkaSource) resume(ctx context.Context, w *wanted, end int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wanted[w.tp] != w {
		return nil
	}
	delete(s.wanted, w.tp)
	a := *w.stored
	a.LogEnd = max(end, a.Committed)
	return s.begin(ctx, unchanged, a)
}

const (
	askWithin = 2 * time.Second // a limit that is not known by then is learned from refusals
	// largestState keeps a commit far below the 1 MB that the offsets topic takes, and what a
	// coordinator holds in memory small.
	largestState = 64 << 10
)

// askStateBytes asks the brokers how large a resume state may be. Without an answer, it is taken to
// be what their default allows.
func (s *kafkaSource) askStateBytes(ctx context.Context) {
	if s.cfg.Group == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	most, err := s.client.OffsetMetadataBytes(ctx)
	if err != nil {
		return
	}
	n := min(max(most-wire.NoteBytes, 0), largestState)
	s.stateBytes.Store(int64(n))
	if n < wire.StateBytes {
		s.in.Emit(stream.SourceEvent{Name: "state limit", Text: fmt.Sprintf("the brokers store at most %d bytes with an offset (offset.metadata.max.bytes): "+
			"resume states may have up to %d bytes, which is less than by default", most, n)})
	}
}

// stateRefused records that brokers refuse states above a size.
func (s *kafkaSource) stateRefused(tp wire.TopicPartition, limit int, err error) {
	s.stateBytes.Store(int64(limit))
	s.in.Emit(stream.SourceEvent{TopicPartition: streamed(tp), Name: "state refused", Err: err,
		Text: fmt.Sprintf("the offset is stored without its resume state: if the partition moves now, records that have finished above it are reprocessed. "+
			"From now on, states of up to %d bytes are tried; the brokers' offset.metadata.max.bytes is the limit", limit)})
}
