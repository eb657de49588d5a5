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
	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// DeadLetter writes failed records to Kafka as they came: key, value, headers and time. They go to KafkaConfig.Topic or, where that is empty, to the record's
// own topic with ".dlq" behind it, which has to exist; DeadLetterTopic decides otherwise. An element whose record is no kafka.Message fails.
//
// Added headers say what happened, as text: laneway.origin.topic, .partition, .offset and .time, laneway.group (see DeadLetterGroup), laneway.failed (when),
// laneway.step, laneway.attempts, laneway.error and laneway.error.types (the error, with what it wraps), and laneway.stack of a panic. An error is cut after 4 KiB, a stack after
// 16 KiB; where they make the record too large for the topic, it is written with 256 bytes of the error and without the stack. ops.LetterOf reads them, ops.Redrive sends
// the records back.
//
// It is done when every in-sync replica has it; until then the record is unfinished. See Kafka about errors and costs.
func DeadLetter(c KafkaConfig, opts ...DeadLetterOption) stream.Sink[stream.Failure] {
	s := &deadLetters{kafkaSink: kafkaSink{cfg: c}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// DeadLetterOption changes what DeadLetter does.
type DeadLetterOption func(*deadLetters)

// DeadLetterTopic has f choose the topic of each failure, by its step, its error, its tenant. It is called concurrently.
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
}

func (s *deadLetters) String() string {
	if s.cfg.Topic == "" && s.choose == nil {
		return "kafka dead letters to *.dlq"
	}
	return s.cfg.name("kafka dead letters")
}

func (s *deadLetters) Check() error {
	faults := s.cfg.faults("sink.DeadLetter")
	if s.choose != nil && s.cfg.Topic != "" {
		faults = append(faults, &stream.BuildError{Step: "sink.DeadLetter", What: "KafkaConfig.Topic and DeadLetterTopic both say where to", Do: "leave one out"})
	}
	return errors.Join(faults...)
}

func (s *deadLetters) Write(ctx context.Context, elems []stream.Out[stream.Failure]) error {
	letters := make([]kafka.Message, 0, len(elems))
	index := make([]int, 0, len(elems)) // of letters, in elems
	failed := map[int]error{}
	now := time.Now()
	for i := range elems {
		m, err := s.letter(elems[i].Value, now, false)
		if err != nil {
			failed[i] = err
			continue
		}
		letters, index = append(letters, m), append(index, i)
	}
	if err := s.write(ctx, letters, index, failed); err != nil {
		return err
	}
	letters, index = letters[:0], index[:0]
	for _, i := range slices.Sorted(maps.Keys(failed)) {
		var large *produce.TooLargeError
		if m, err := s.letter(elems[i].Value, now, true); err == nil && errors.As(failed[i], &large) {
			letters, index = append(letters, m), append(index, i)
			delete(failed, i)
		}
	}
	if err := s.write(ctx, letters, index, failed); err != nil {
		return err
	}
	if len(failed) > 0 {
		return &stream.PartialError{Errs: failed}
	}
	return nil
}

// write writes letters and notes what failed under the index of its element.
func (s *deadLetters) write(ctx context.Context, letters []kafka.Message, index []int, failed map[int]error) error {
	err := s.cfg.write(ctx, s.out, len(letters), func(i int) *kafka.Message { return &letters[i] })
	var part *stream.PartialError
	if !errors.As(err, &part) {
		return err
	}
	for i, err := range part.Errs {
		failed[index[i]] = err
	}
	return nil
}

// letter makes a record of a failure.
func (s *deadLetters) letter(f stream.Failure, now time.Time, brief bool) (kafka.Message, error) {
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
	m.Headers = l.Sign(m.Headers, brief)
	switch {
	case s.choose != nil:
		m.Topic = s.choose(f)
	case s.cfg.Topic == "":
		m.Topic += ".dlq"
	}
	return m, nil
}

// typesOf lists the types of an error and of what it wraps, outermost first, as far as anybody reads.
func typesOf(err error) (types []string) {
	const most = 16
	for queue := []error{err}; len(queue) > 0 && len(types) < most; queue = queue[1:] {
		if queue[0] == nil {
			continue
		}
		if name := fmt.Sprintf("%T", queue[0]); name != "*stream.permanentError" { // Permanent's mark, which says nothing
			types = append(types, name)
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
