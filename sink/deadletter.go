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

// DeadLetter writes failed records to Kafka as they came: key, value, headers and time. They go to
// KafkaConfig.Topic or, where that is empty, to the record's own topic with ".dlq" behind it;
// DeadLetterTopic decides otherwise. An element whose record is no kafka.Message fails.
//
// The topic has to exist. Where it is known at the start, Run ends with a *kafkaerr.TopicError if
// it is missing: where KafkaConfig.Topic names it, or where source.Kafka names the topics whose
// ".dlq" are written to. What DeadLetterTopic chooses is looked for when it is first written to.
// Retention counts from the record's time, not from its failure.
//
// Added headers say what happened, as UTF-8 text: laneway.origin.topic, .partition, .offset and
// .time, laneway.group (see DeadLetterGroup), laneway.failed (when), laneway.step,
// laneway.attempts, laneway.error and laneway.error.types (the error, with what it wraps), and
// laneway.stack of a panic. An error is cut after 4 KiB, a stack after 16 KiB. ops.LetterOf reads
// them, ops.Redrive sends the records back.
//
// A letter that its topic does not take is abridged, and its header laneway.abridged says of what.
// Where it is larger than max.message.bytes, or than BatchBytes if that is set, these are left out
// one after another, until it fits:
//
//  1. stack: the stack, and all but 256 bytes of the error
//  2. headers: the record's own headers
//  3. value: in its place stands where the record is, as in orders[3]@41207
//  4. key: likewise, as in [3]@41207, and texts are cut after 32 bytes; about 1 KiB is left
//
// Where its time is refused (message.timestamp.after.max.ms, message.timestamp.before.max.ms), time
// is what is left out: the letter has the time of writing, and laneway.origin.time the record's.
// Each step costs one more write.
//
// A letter is done when every in-sync replica has it; until then the record is unfinished. See
// Kafka about errors and costs.
func DeadLetter(c KafkaConfig, opts ...DeadLetterOption) stream.Sink[stream.Failure] {
	s := &deadLetters{kafkaSink: kafkaSink{cfg: c}, reads: map[string]bool{}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// DeadLetterOption changes what DeadLetter does.
type DeadLetterOption func(*deadLetters)

// DeadLetterTopic has f choose the topic of each failure, by its step, its error, its tenant. It is
// called concurrently.
func DeadLetterTopic(f func(stream.Failure) string) DeadLetterOption {
	return func(s *deadLetters) { s.choose = f }
}

// DeadLetterGroup says in each dead letter which group has failed, for topics that several read.
func DeadLetterGroup(group string) DeadLetterOption {
	return func(s *deadLetters) { s.group = group }
}

type deadLetters struct {
	kafkaSink
	choose func(stream.Failure) string
	group  string
	reads  map[string]bool // topics of sources; guarded by mu
}

// suffix is what the topic of dead letters has behind the record's own.
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
		faults = append(faults, &stream.BuildError{Step: "sink.DeadLetter", What: "KafkaConfig.Topic and DeadLetterTopic both say where to", Fix: "leave one out"})
	}
	return errors.Join(faults...)
}

// Reads notes the topics of a chain's source.
func (s *deadLetters) Reads(topics []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range topics {
		s.reads[t] = true
	}
}

// Open connects, and looks at the topics that letters may go to, as far as they are known.
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
	// at once: each takes UnknownTopicTimeout where its topic is missing
	looks := pool.New().WithErrors()
	for _, t := range topics {
		looks.Go(func() error {
			if err := s.out.Find(ctx, t+suffix); err != nil {
				return fmt.Errorf("dead letters of topic %s: %w: create the topic, or set KafkaConfig.Topic", t, err)
			}
			return nil
		})
	}
	err := looks.Wait()
	if err != nil {
		_ = s.Close(ctx) // it has no error
	}
	return err
}

// draft is a letter that is to be written.
type draft struct {
	index int // of its element
	rung  deadletter.Rung
	now   bool // its topic refuses the record's time
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

// writeOnce writes drafts. What their topics do not take is returned, abridged; what failed is
// noted by the index of its element.
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

// abridge leaves out what a topic has refused; false where that is not it, or there is nothing left
// to leave out.
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
	case errors.Is(refusal, wire.InvalidTimestamp) && !d.now:
		d.now = true
		return d, true
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

// letter makes a record of a failure.
func (s *deadLetters) letter(f stream.Failure, d draft, now time.Time) (kafka.Message, error) {
	m, ok := f.Record.(kafka.Message)
	if !ok {
		return m, stream.Permanent(fmt.Errorf("sink.DeadLetter writes records as they came from Kafka, and this one is a %T: write it with a Sink[stream.Failure] of your own", f.Record))
	}
	l := deadletter.Letter{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Failed: now, Group: s.group, Step: f.Step, Attempts: f.Attempts}
	if f.Err != nil {
		l.Error, l.Types = f.Err.Error(), strings.Join(typesOf(f.Err), ", ")
	}
	var panicked *stream.PanicError
	if errors.As(f.Err, &panicked) {
		l.Stack = string(panicked.Stack)
	}
	m = l.Record(m, d.rung, d.now)
	switch {
	case s.choose != nil:
		m.Topic = s.choose(f)
	case s.cfg.Topic == "":
		m.Topic += suffix
	}
	return m, nil
}

// typesOf lists the types of an error and of what it wraps, outermost first, as far as anybody
// reads.
func typesOf(err error) (types []string) {
	const most = 16
	for queue := []error{err}; len(queue) > 0 && len(types) < most; queue = queue[1:] {
		if queue[0] == nil {
			continue
		}
		if _, mark := queue[0].(*stream.PermanentError); !mark {
			types = append(types, fmt.Sprintf("%T", queue[0]))
		}
		switch e := queue[0].(type) {
		case interface{ Unwrap() error }:
			queue = append(queue, e.Unwrap())
		case interface{ Unwrap() []error }:
			queue = append(queue, e.Unwrap()...)
		}
	}
	return types
}
