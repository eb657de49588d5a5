package source

import (
	"context"
	"fmt"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/fetch"
	"github.com/laneway-go/laneway/kafkaerr"
)

// Position is a place in a partition.
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
	Earliest = Position{kind: earliest} // the first record that there is; the zero Position
	Latest   = Position{kind: latest}   // behind the last one
	Fail     = Position{kind: fail}     // ends Run with an error
)

// At is the first record of time t or later, by the records' own times; behind the last one where all are earlier.
func At(t time.Time) Position { return Position{atTime, t.UnixMilli()} }

// AtOffset is the record with that offset, or the next one there is.
func AtOffset(n int64) Position { return Position{atOffset, n} }

// reset is the policy of the fetches. Only Earliest, Latest and Fail may be a Reset.
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

// Span is a stretch of one partition: from From, up to and without To. The zero To is no end: what is written is read as it comes. Latest is what was
// the end when Run began.
type Span struct{ From, To Position }

func (s Span) ends() bool { return s.To != Position{} }

// resolve finds the offset of a position in each of the partitions.
func (s *kafkaSource) resolve(ctx context.Context, p Position, tps ...fetch.TP) (map[fetch.TP]int64, error) {
	at := fetch.AtStart
	switch p.kind {
	case latest:
		at = fetch.AtEnd
	case atTime:
		at = p.offset
	case atOffset:
		found := make(map[fetch.TP]int64, len(tps))
		for _, tp := range tps {
			found[tp] = p.offset
		}
		return found, nil
	case fail:
		return nil, &kafkaerr.NoOffsetError{Group: s.cfg.Group, Topic: tps[0].Topic, Partition: tps[0].Partition}
	}
	found, err := fetch.List(ctx, s.client, at, s.cfg.ReadUncommitted, tps...)
	if err != nil || p.kind != atTime {
		return found, err
	}
	var later []fetch.TP // that have no record of that time yet
	for tp, offset := range found {
		if offset < 0 {
			later = append(later, tp)
		}
	}
	ends, err := fetch.List(ctx, s.client, fetch.AtEnd, s.cfg.ReadUncommitted, later...)
	for tp, offset := range ends {
		found[tp] = offset
	}
	return found, err
}
