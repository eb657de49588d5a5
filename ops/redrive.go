package ops

import (
	"context"
	"fmt"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// RedriveConfig says which dead letters are sent back. The zero value sends all of them, each at
// most three times.
type RedriveConfig struct {
	// Match chooses the letters to send back. Default: all. It is called concurrently.
	Match func(kafka.Message, Letter) bool

	// MaxTimes is how often a record may be sent back in its life, as counted in its header
	// laneway.redriven. Default 3. A record that was sent back that often is passed over. Otherwise
	// it would circle forever.
	MaxTimes int

	// To is the topic to send records to. Default: the topic that each came from.
	To string

	// PerSecond is how many records are sent back per second. Default 0: no limit.
	PerSecond float64

	// Original reads the record of an incomplete letter (see Letter.Complete) from its origin, so
	// that only whole records are sent back. If it returns an error, the letter fails, and the
	// policies below decide. It is called concurrently. Default: incomplete letters are passed
	// over.
	Original func(context.Context, Letter) (kafka.Message, error)

	// OnRecord is called with each record and what Redrive did with it. It is called concurrently.
	OnRecord func(kafka.Message, Letter, Redriven)
}

// Redriven is what Redrive does with a record.
type Redriven int

const (
	SentBack     Redriven = iota // passed on, to be written
	NotMatched                   // Match does not choose it
	LimitReached                 // it was sent back MaxTimes times
	NoLetter                     // it lacks the headers of a dead letter
	Incomplete                   // it lacks parts of the record, and there is no Original
)

func (r Redriven) String() string {
	return [...]string{"sent back", "not matched", "limit reached", "no dead letter", "incomplete"}[r]
}

// Redrive turns dead letters back into their original records, addressed to the topic they came
// from. Key, value, time and headers are the same; one more header counts the redrives.
// RedriveConfig.Original completes abridged letters. 1→0..1: a letter that is passed over is done.
//
// To(sink.Kafka) below it writes the records. With a commit below that, a letter is done only once
// its record is written:
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
