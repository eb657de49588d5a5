package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lettered runs a chain over what is in a topic, until all is committed or dead-lettered.
func lettered(t *testing.T, k *kafkatest.Kafka, topic string, n int, handle func(context.Context, kafka.Message) error, dead stream.Sink[stream.Failure], opts ...stream.DegreeOption) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := 0
	err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: "billing", Topics: []string{topic}}).
		Serial(handle, append(opts, stream.Named("charge"))...).
		DeadLetterOnError(dead).
		CommitEvery(1000, 20*time.Millisecond).
		Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.DeadLettered); ok {
				if ended++; ended == n {
					stop()
				}
			}
		}}))
	if err != nil {
		t.Fatal(err)
	}
}

// asMessage is a record as the chain of a dead-letter topic's reader gets it.
func asMessage(r *kgo.Record) kafka.Message {
	m := kafka.Message{Topic: r.Topic, Partition: int(r.Partition), Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

func TestDeadLetterIsTheRecordAsItCameAndSaysWhatHappened(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic := k.Topic(2)
	dlq := k.TopicNamed(topic+".dlq", 1)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	k.Produce(topic, &kgo.Record{Partition: 1, Key: []byte("k"), Value: nil, Timestamp: at, Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("abc")}}})
	began := time.Now().Truncate(time.Millisecond)
	broke := errors.New("no money")
	lettered(t, k, topic, 1, func(context.Context, kafka.Message) error {
		return fmt.Errorf("card 7: %w", &stream.StepError{Err: broke})
	},
		sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers}, sink.DeadLetterGroup("billing")))
	got := k.Records(dlq)
	if len(got) != 1 {
		t.Fatalf("%d dead letters", len(got))
	}
	m := asMessage(got[0])
	if string(m.Key) != "k" || m.Value != nil || !m.Time.Equal(at) || m.Headers[0].Key != "trace" || string(m.Headers[0].Value) != "abc" {
		t.Errorf("the record became %+v", m)
	}
	l, err := ops.LetterOf(m)
	if err != nil {
		t.Fatal(err)
	}
	if l.Failed.Before(began) || l.Failed.After(time.Now()) {
		t.Errorf("failed at %v", l.Failed)
	}
	if !strings.HasPrefix(l.Error, "card 7: ") || !strings.Contains(l.Error, "no money") || l.Types != "*fmt.wrapError, *stream.StepError, *errors.errorString" {
		t.Errorf("error %q, types %q", l.Error, l.Types)
	}
	l.Failed, l.Error, l.Types = time.Time{}, "", ""
	if want := (ops.Letter{Topic: topic, Partition: 1, Offset: 0, Time: at, Group: "billing", Step: "charge", Attempts: 1}); l != want {
		t.Errorf("%+v, expected was %+v", l, want)
	}
}

func TestDeadLetterOfAPanicHasItsStack(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic, dlq := k.Topic(1), k.Topic(1)
	k.Produce(topic, &kgo.Record{Value: []byte("1")})
	lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { panic("out of cheese") }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
	l, err := ops.LetterOf(asMessage(k.Records(dlq)[0]))
	if err != nil || !strings.Contains(l.Error, "out of cheese") || !strings.Contains(l.Stack, "TestDeadLetterOfAPanicHasItsStack") {
		t.Errorf("%+v %v", l, err)
	}
}

func TestDeadLetterTopicIsChosenByTheFailure(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic, dlq := k.Topic(1), k.Topic(1)
	k.Produce(topic, &kgo.Record{Value: []byte("1")})
	lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { return errors.New("no") }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers},
		sink.DeadLetterTopic(func(f stream.Failure) string {
			if f.Step != "charge" || f.Meta.Topic != topic {
				t.Errorf("asked about %v", f)
			}
			return dlq
		})))
	if len(k.Records(dlq)) != 1 {
		t.Error("it is not there")
	}
}

func TestDeadLetterLeavesOutTheStackWhereItDoesNotFit(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic, dlq := k.Topic(1), k.Topic(1, "max.message.bytes=4000")
	k.Produce(topic, &kgo.Record{Value: make([]byte, 2500)})
	lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { panic(strings.Repeat("cheese ", 1000)) }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
	got := k.Records(dlq)
	if len(got) != 1 {
		t.Fatal("it is not there")
	}
	if l, err := ops.LetterOf(asMessage(got[0])); err != nil || l.Stack != "" || len(l.Error) > 256 || l.Error == "" {
		t.Errorf("%+v %v", l, err)
	}
}

func TestDeadLetterRefusesWhatDidNotComeFromKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	err := source.Slice(1).Serial(func(context.Context, int) error { return errors.New("no") }).
		DeadLetterOnError(sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers})).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no") {
		t.Error(err)
	}
	s := sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers})
	var part *stream.PartialError
	if err := s.Write(t.Context(), []stream.Out[stream.Failure]{{Value: stream.Failure{Record: 1}}}); !errors.As(err, &part) || !stream.IsPermanent(part.Errs[0]) || !strings.Contains(err.Error(), "int") {
		t.Error(err)
	}
}

func TestDeadLetterFaultsAreAllNamed(t *testing.T) {
	s := sink.DeadLetter(sink.KafkaConfig{Topic: "dead"}, sink.DeadLetterTopic(func(stream.Failure) string { return "" }))
	err := s.(interface{ Check() error }).Check()
	if err == nil || !strings.Contains(err.Error(), "no broker") || !strings.Contains(err.Error(), "both say where to") {
		t.Error(err)
	}
	if got := fmt.Sprint(sink.DeadLetter(sink.KafkaConfig{})); got != "kafka dead letters to *.dlq" {
		t.Error(got)
	}
}
