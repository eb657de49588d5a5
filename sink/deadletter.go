package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc/pool"
)

// DeadLetter writes failed records to Kafka unchanged: key, value, headers and time. They go to
// KafkaConfig.Topic or, if that is empty, to the record's own topic plus ".dlq"; DeadLetterTopic
// chooses another. An element whose record is not a kafka.Message fails.
//
// The topic must exist. If it is known at the start and missing, Run ends with a
// *kafkaerr.TopicError. It is known if KafkaConfig.Topic names it, or if source.Kafka names the
// topics whose ".dlq" are used. A topic chosen by DeadLetterTopic is looked up at its first write.
// Retention counts from the record's time, not from the failure.
//
// Added headers say what happened, as UTF-8 text: laneway.origin.topic, .partition, .offset,
// .source (in a Merge) and .time, laneway.group (see DeadLetterGroup), laneway.failed (when),
// laneway.step, laneway.attempts, laneway.error and laneway.error.types (of the error and all it
// wraps), and laneway.stack of a panic. An error is cut after 4 KiB, a stack after 16 KiB.
// ops.LetterOf reads the headers, ops.Redrive sends the records back.
//
// A letter that its topic refuses is abridged, and the header laneway.abridged lists what was left
// out. A letter larger than max.message.bytes, or than BatchBytes if that is set, loses these in
// turn until it fits:
//
//  1. stack: the stack, and all but 256 bytes of the error
//  2. headers: the record's own headers
//  3. value: replaced by the record's position, such as orders[3]@41207
//  4. key: replaced likewise, such as [3]@41207, and texts are cut after 32 bytes;
//     about 1 KiB is left
//
// If the topic refuses the record's time (message.timestamp.after.max.ms,
// message.timestamp.before.max.ms), it loses time: the letter gets the time of writing, and
// laneway.origin.time keeps the record's. If it is compacted and the record has no key, the letter
// gets one as in step 4, or it would be refused. Each step costs one more write.
//
// A letter is done when every in-sync replica has it, and the record is unfinished until then.
// Kafka describes errors and costs.
func DeadLetter(c KafkaConfig, opts ...DeadLetterOption) stream.Sink[stream.Failure] {
	s := &deadLetters{kafkaSink: kafkaSink{cfg: c}, reads: map[string]bool{}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// DeadLetterOption configures DeadLetter.
type DeadLetterOption func(*deadLetters)

// DeadLetterTopic has f choose the topic of each failure, for example by its step or error. f is
// called concurrently.
func DeadLetterTopic(f func(stream.Failure) string) DeadLetterOption {
	return func(s *deadLetters) { s.choose = f }
}

// DeadLetterGroup adds the name of the consumer group to each dead letter, for topics with several
// readers.
func DeadLetterGroup(group string) DeadLetterOption {
	return func(s *deadLetters) { s.group = group }
}

type deadLetters struct {
	kafkaSink
	choose func(stream.Failure) string
	group  string
	reads  map[string]bool // topics of sources; guarded by mu
}

// suffix is appended to a record's topic to name the topic of its dead letters.
const suffix = ".dlq"

func (s *deadLetters) String() string {
	if s.cfg.Topic == "" && s.choose == nil {
		return "kafka dead letters to *.dlq"
	}
	return s.cfg.name("kafka dead letters")
}

func (s *deadLetters) Check() error {
	faults := s.cfg.faults("sink.DeadLetter")
	if s.choose != nil && s.cfg.Topic != "" {
		faults = append(faults, &stream.BuildError{Code: "LW143", Step: "sink.DeadLetter", What: "KafkaConfig.Topic and DeadLetterTopic both set the topic", Fix: "leave one out"})
	}
	return errors.Join(faults...)
}

// Reads notes the topics of the chain's source.
func (s *deadLetters) Reads(topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range topics {
		s.reads[t] = true
	}
}

// Open connects and looks up the topics of letters, as far as they are known.
func (s *deadLetters) Open(ctx context.Context) error {
	if err := s.kafkaSink.Open(ctx); err != nil {
		return err
	}
	if s.cfg.Topic != "" || s.choose != nil {
		return nil
	}
	s.mu.Lock()
	topics := slices.Sorted(maps.Keys(s.reads))
	s.mu.Unlock()
	// concurrently: each takes UnknownTopicTimeout if its topic is missing
	looks := pool.New().WithErrors()
	for _, t := range topics {
		looks.Go(func() error {
			if err := s.out.Find(ctx, t+suffix); err != nil {
				return fmt.Errorf("dead letters of topic %s: %w: create that topic, or set KafkaConfig.Topic [LW431]", t, err)
			}
			return nil
		})
	}
	err := looks.Wait()
	if err != nil {
		_ = s.Close(ctx) // it never fails
	}
	return err
}

// draft is a letter to be written.
type draft struct {
	index int // of its element
	rung  deadletter.Rung
	no    deadletter.Refused
}

func (s *deadLetters) Write(ctx context.Context, elems []stream.Out[stream.Failure]) error {
	drafts := make([]draft, len(elems))
	for i := range drafts {
		drafts[i].index = i
	}
	failed := map[int]error{}
	for now := time.Now(); len(drafts) > 0; {
		var err error
		if drafts, err = s.writeOnce(ctx, elems, drafts, now, failed); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &stream.PartialError{Errs: failed}
	}
	return nil
}

// writeOnce writes drafts. It returns the refused ones, abridged, and puts failures into failed by
// the index of their element.
func (s *deadLetters) writeOnce(ctx context.Context, elems []stream.Out[stream.Failure], drafts []draft, now time.Time, failed map[int]error) (again []draft, err error) {
	letters := make([]kafka.Message, 0, len(drafts))
	written := make([]draft, 0, len(drafts))
	for _, d := range drafts {
		m, err := s.letter(elems[d.index].Value, d, now)
		if err != nil {
			failed[d.index] = err
			continue
		}
		letters, written = append(letters, m), append(written, d)
	}
	err = s.cfg.write(ctx, s.out, len(letters), func(i int) *kafka.Message { return &letters[i] })
	var part *stream.PartialError
	if !errors.As(err, &part) {
		return nil, err
	}
	for i, err := range part.Errs {
		if d, ok := s.abridge(elems[written[i].index].Value, written[i], err); ok {
			again = append(again, d)
		} else {
			failed[written[i].index] = err
		}
	}
	slices.SortFunc(again, func(a, b draft) int { return a.index - b.index })
	return again, nil
}

// abridge leaves out what the topic has refused. It returns false if the topic refused something
// else, or if nothing is left to leave out.
func (s *deadLetters) abridge(f stream.Failure, d draft, refusal error) (draft, bool) {
	var large *kafkaerr.TooLargeError
	switch {
	case errors.As(refusal, &large):
		was, _ := s.letter(f, d, time.Time{})
		for d.rung < deadletter.WithoutKey {
			d.rung++
			if is, _ := s.letter(f, d, time.Time{}); size(is) < size(was) {
				return d, true
			}
		}
		return d, false
	case errors.Is(refusal, wire.InvalidTimestamp) && !d.no.Time:
		d.no.Time = true
		return d, true
	case errors.Is(refusal, wire.InvalidRecord) && !d.no.NoKey:
		m, _ := f.Record.(kafka.Message)
		d.no.NoKey = true
		return d, m.Key == nil
	}
	return d, false
}

func size(m kafka.Message) int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// letter makes the record of a failure.
func (s *deadLetters) letter(f stream.Failure, d draft, now time.Time) (kafka.Message, error) {
	m, ok := f.Record.(kafka.Message)
	if !ok {
		return m, stream.Permanent(fmt.Errorf("sink.DeadLetter writes records that came from Kafka, "+
			"but this one is a %T: write it with a Sink[stream.Failure] of your own [LW432]", f.Record))
	}
	l := deadletter.Letter{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Source: f.Meta.Source, Time: m.Time, Failed: now, Group: s.group, Step: f.Step, Attempts: f.Attempts}
	if f.Err != nil {
		l.Error, l.Types = f.Err.Error(), strings.Join(typesOf(f.Err), ", ")
	}
	if panicked, ok := errors.AsType[*stream.PanicError](f.Err); ok {
		l.Stack = string(panicked.Stack)
	}
	m = l.Record(m, d.rung, d.no)
	switch {
	case s.choose != nil:
		m.Topic = s.choose(f)
	case s.cfg.Topic == "":
		m.Topic += suffix
	}
	return m, nil
}

// typesOf lists the types of an error and of what it wraps, outermost first, up to a limit.
func typesOf(err error) (types []string) {
	const most = 16
	for queue := []error{err}; len(queue) > 0 && len(types) < most; queue = queue[1:] {
		if queue[0] == nil {
			continue
		}
		if _, mark := queue[0].(*stream.PermanentError); !mark { //nolint:errorlint // walks the chain itself
			types = append(types, fmt.Sprintf("%T", queue[0]))
		}
		switch e := queue[0].(type) { //nolint:errorlint // walks the chain itself
		case interface{ Unwrap() error }:
			queue = append(queue, e.Unwrap())
		case interface{ Unwrap() []error }:
			queue = append(queue, e.Unwrap()...)
		}
	}
	return types
}
