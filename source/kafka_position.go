package source

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
)

// Position is a position in a partition.
type Position struct {
	kind   positionKind
	offset int64 // or milliseconds
}

type positionKind uint8

const (
	earliest positionKind = iota
	latest
	fail
	atTime
	atOffset
)

var (
	Earliest = Position{kind: earliest} // the first record in the log; the zero Position
	Latest   = Position{kind: latest}   // after the last record
	Fail     = Position{kind: fail}     // ends Run with an error
)

// At is the first record with a time of t or later, by the timestamps of the records. If all are
// earlier, it is the end of the log.
func At(t time.Time) Position { return Position{atTime, t.UnixMilli()} }

// AtOffset is the record with that offset, or the next existing one.
func AtOffset(n int64) Position { return Position{atOffset, n} }

// reset is the policy for the fetcher. Only Earliest, Latest and Fail may be a Reset.
func (p Position) reset() fetch.Reset {
	switch p.kind {
	case latest:
		return fetch.Latest
	case fail:
		return fetch.Fail
	}
	return fetch.Earliest
}

func (p Position) String() string {
	switch p.kind {
	case latest:
		return "latest"
	case fail:
		return "fail"
	case atTime:
		return "at " + time.UnixMilli(p.offset).UTC().Format(time.RFC3339Nano)
	case atOffset:
		return fmt.Sprintf("at offset %d", p.offset)
	}
	return "earliest"
}

// Span is a range of one partition: from From up to To, exclusive. A zero To means no end: new
// records are read as they arrive. Latest is the end of the log when Run started.
type Span struct{ From, To Position }

func (s Span) ends() bool { return s.To != Position{} }

// locate asks the leader of partitions once for the offset of a position in each. failed says why
// an offset is not known yet.
func (s *kafkaSource) locate(ctx context.Context, leader int32, p Position, tps ...wire.TopicPartition) (found map[wire.TopicPartition]int64, failed map[wire.TopicPartition]error) {
	at := fetch.AtStart
	switch p.kind {
	case latest:
		at = fetch.AtEnd
	case atTime:
		at = p.offset
	case atOffset:
		found = make(map[wire.TopicPartition]int64, len(tps))
		for _, tp := range tps {
			found[tp] = p.offset
		}
		return found, map[wire.TopicPartition]error{}
	}
	found, failed = fetch.List(ctx, s.client, leader, at, s.cfg.ReadUncommitted, tps...)
	var later []wire.TopicPartition // have no record with that time or a later one
	for tp, offset := range found {
		if offset < 0 {
			later = append(later, tp)
		}
	}
	if len(later) == 0 {
		return found, failed
	}
	ends, without := fetch.List(ctx, s.client, leader, fetch.AtEnd, s.cfg.ReadUncommitted, later...)
	for tp, err := range without {
		delete(found, tp)
		failed[tp] = err
	}
	maps.Copy(found, ends)
	return found, failed
}

func (s *kafkaSource) noOffset(tp wire.TopicPartition) error {
	return &kafkaerr.NoOffsetError{Group: s.cfg.Group, Topic: tp.Topic, Partition: tp.Partition}
}
