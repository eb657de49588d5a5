package ops

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// RedriveConfig says which dead letters are sent back. The zero value sends all, each three times
// at most.
type RedriveConfig struct {
	// Match chooses; nil: all. It is called concurrently.
	Match func(kafka.Message, Letter) bool

	// MaxTimes is how often a record may be sent back in its life, counted in its header
	// laneway.redriven. Default 3. One that has failed that often again is passed over: sent back
	// once more it would only go round.
	MaxTimes int

	// To is where the records go. Default: to the topic that each came from.
	To string

	// PerSecond is how many are sent back a second. Default 0: as fast as they are written.
	PerSecond float64

	// Original reads the record of a letter that has not all of it any more (see Letter.Complete),
	// from where it came: what is sent back is always whole. An error fails the letter, as the
	// policies below say. Default: none, such letters are passed over. It is called concurrently.
	Original func(context.Context, Letter) (kafka.Message, error)

	// OnRecord is told what becomes of each; nil: nobody. It is called concurrently.
	OnRecord func(kafka.Message, Letter, Redriven)
}

// Redriven is what Redrive does with a record.
type Redriven int

const (
	SentBack     Redriven = iota // passed on, to be written
	NotMatched                   // Match does not want it
	LimitReached                 // it was sent back MaxTimes times already
	NoLetter                     // it has not the headers of a dead letter
	Incomplete                   // it has not all of the record, and there is no Original
)

func (r Redriven) String() string {
	return [...]string{"sent back", "not matched", "limit reached", "no dead letter", "incomplete"}[r]
}

// Redrive makes dead letters the records that they were, bound for the topic they came from: key,
// value, time and headers as they were, and one more header that counts. A letter that was abridged
// is no exception, see RedriveConfig.Original. 1→0..1: what is passed over is done.
//
// To(sink.Kafka) below writes them. With a commit below that, a record counts as sent back only
// when it was:
//
//	source.Kafka(dlq).GroupByKey().Via(ops.Redrive(ops.RedriveConfig{})).To(sink.Kafka(sink.KafkaConfig{Brokers: brokers})).CommitEvery(100, time.Second)
func Redrive(c RedriveConfig) stream.Pipe[kafka.Message, kafka.Message] {
	if c.MaxTimes == 0 {
		c.MaxTimes = 3
	}
	return func(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
		chosen := s.Filter(c.wants)
		if c.PerSecond != 0 {
			chosen = chosen.Throttle(c.PerSecond, 1)
		}
		return chosen.Map(c.back, stream.Named("redrive"))
	}
}

func (c *RedriveConfig) wants(m kafka.Message) bool {
	l, err := LetterOf(m)
	verdict := SentBack
	switch {
	case err != nil:
		verdict = NoLetter
	case c.Match != nil && !c.Match(m, l):
		verdict = NotMatched
	case l.Redriven >= c.MaxTimes:
		verdict = LimitReached
	case !l.Complete() && c.Original == nil:
		verdict = Incomplete
	}
	if c.OnRecord != nil {
		c.OnRecord(m, l, verdict)
	}
	return verdict == SentBack
}

func (c *RedriveConfig) back(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	l, err := LetterOf(m)
	record := m
	switch {
	case err != nil:
		err = stream.Permanent(err)
	case !l.Complete():
		record, err = c.Original(ctx, l)
	}
	if err != nil {
		return m, fmt.Errorf("redriving %s[%d]@%d: %w", m.Topic, m.Partition, m.Offset, err)
	}
	m = record
	m.Headers = deadletter.Back(m.Headers)
	if !l.Time.IsZero() {
		m.Time = l.Time
	}
	if m.Topic = c.To; m.Topic == "" {
		m.Topic = l.Topic
	}
	return m, nil
}
