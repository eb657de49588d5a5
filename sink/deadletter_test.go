package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lettered runs a chain over a topic until n records are dead-lettered.
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

// asMessage is the record as a reader of the dead-letter topic gets it.
func asMessage(r *kgo.Record) kafka.Message {
	m := kafka.Message{Topic: r.Topic, Partition: int(r.Partition), Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

func TestDeadLetter(t *testing.T) {
	t.Run("is the unchanged record with what happened", func(t *testing.T) {
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
			t.Errorf("letter %+v, want %+v", l, want)
		}
	})
	t.Run("of a panic has the stack", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic, dlq := k.Topic(1), k.Topic(1)
		k.Produce(topic, &kgo.Record{Value: []byte("1")})
		lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { panic("out of cheese") }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
		l, err := ops.LetterOf(asMessage(k.Records(dlq)[0]))
		if err != nil || !strings.Contains(l.Error, "out of cheese") || !strings.Contains(l.Stack, "sink_test.TestDeadLetter") {
			t.Errorf("%+v %v", l, err)
		}
	})
	t.Run("goes to the topic chosen for its failure", func(t *testing.T) {
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
			t.Error("the dead letter is missing")
		}
	})
	t.Run("loses a stack that does not fit", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic, dlq := k.Topic(1), k.Topic(1, "max.message.bytes=4000")
		k.Produce(topic, &kgo.Record{Value: make([]byte, 2500)})
		lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { panic(strings.Repeat("cheese ", 1000)) }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
		got := k.Records(dlq)
		if len(got) != 1 {
			t.Fatal("the dead letter is missing")
		}
		if l, err := ops.LetterOf(asMessage(got[0])); err != nil || l.Stack != "" || len(l.Error) > 256 || l.Error == "" {
			t.Errorf("%+v %v", l, err)
		}
	})
	t.Run("is written again only where a step leaves something out", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic, dlq := k.Topic(1), k.Topic(1, "max.message.bytes=2000")
		k.Produce(topic, &kgo.Record{Value: make([]byte, 2500)}) // without headers, and its failure without a stack
		writes := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlq, Observe: true, Count: -1})
		lettered(t, k, topic, 1, func(context.Context, kafka.Message) error { return errors.New("no") }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
		if n := writes.Hits(); n != 2 || len(k.Records(dlq)) != 1 {
			t.Errorf("%d writes, %d letters, want 2 writes of one letter", n, len(k.Records(dlq)))
		}
	})
	t.Run("refuses elements that did not come from Kafka", func(t *testing.T) {
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
	})
	t.Run("reports all faults of its configuration", func(t *testing.T) {
		s := sink.DeadLetter(sink.KafkaConfig{Topic: "dead"}, sink.DeadLetterTopic(func(stream.Failure) string { return "" }))
		err := s.(interface{ Check() error }).Check()
		if err == nil || !strings.Contains(err.Error(), "no broker") || !strings.Contains(err.Error(), "both set the topic") {
			t.Error(err)
		}
		if got := fmt.Sprint(sink.DeadLetter(sink.KafkaConfig{})); got != "kafka dead letters to *.dlq" {
			t.Error(got)
		}
	})
	t.Run("gets another time when its own is refused", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic, dlq := k.Topic(1), k.Topic(1)
		at := time.Now().Add(240 * time.Hour).Truncate(time.Millisecond)
		k.Produce(topic, &kgo.Record{Value: []byte("early"), Timestamp: at})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlq, Err: kerr.InvalidTimestamp, Count: 1})
		refusedTime(t, dead(t, k, topic, dlq, sink.KafkaConfig{}, 1)[0], at)
	})
	t.Run("gets a key when a record without one is refused", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic, dlq := k.Topic(1), k.Topic(1)
		k.Produce(topic, &kgo.Record{Value: []byte("v")})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlq, Err: kerr.InvalidRecord, Count: 1})
		m := dead(t, k, topic, dlq, sink.KafkaConfig{}, 1)[0]
		if l, err := ops.LetterOf(m); err != nil || string(m.Key) != "[0]@0" || string(m.Value) != "v" || l.Abridged != "key" && l.Abridged != "stack, key" || l.Complete() {
			t.Errorf("key %q: %+v %v", m.Key, l, err)
		}
	})
	t.Run("reports a missing topic at the start", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		orders, payments, refunds := k.Topic(1), k.Topic(1), k.Topic(1)
		k.TopicNamed(refunds+".dlq", 1)
		k.Produce(orders, &kgo.Record{Value: []byte("1")})
		run := func(cfg sink.KafkaConfig, opts ...sink.DeadLetterOption) error {
			cfg.Brokers, cfg.UnknownTopicTimeout = k.Brokers, 100*time.Millisecond
			return source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Partitions: map[stream.TopicPartition]source.Span{
				{Topic: orders}: {To: source.Latest}, {Topic: payments}: {To: source.Latest}, {Topic: refunds}: {To: source.Latest}}}).
				Serial(func(context.Context, kafka.Message) error { return nil }).
				DeadLetterOnError(sink.DeadLetter(cfg, opts...)).
				FailOnError().
				Run(t.Context())
		}
		for name, err := range map[string]error{"of the source's topics": run(sink.KafkaConfig{}), "of its own": run(sink.KafkaConfig{Topic: orders + ".dlq"})} {
			var missing *kafkaerr.TopicError
			if !errors.As(err, &missing) || !errors.Is(err, kafka.UnknownTopicOrPartition) || !strings.Contains(err.Error(), orders+".dlq") {
				t.Errorf("%s: %v", name, err)
			}
			if name == "of the source's topics" && (!strings.Contains(err.Error(), payments+".dlq") || strings.Contains(err.Error(), refunds+".dlq")) {
				t.Errorf("want exactly the missing topics: %v", err)
			}
		}
		if err := run(sink.KafkaConfig{}, sink.DeadLetterTopic(func(stream.Failure) string { return "nowhere" })); err != nil {
			t.Errorf("a topic chosen later was looked up at the start: %v", err)
		}
	})
}

// epoch lists times at and before 1970, which brokers accept, and one after it.
var epoch = []int64{0, -1, -86_400_000, 1}

func atTheEpoch(k *kafkatest.Kafka, topic string) {
	for _, ms := range epoch {
		k.Produce(topic, &kgo.Record{Value: fmt.Append(nil, ms), Timestamp: time.UnixMilli(ms)})
	}
}

func keptTheirTimes(t *testing.T, records []*kgo.Record) {
	t.Helper()
	if len(records) != len(epoch) {
		t.Errorf("%d records, want %d", len(records), len(epoch))
	}
	for _, r := range records {
		if got := fmt.Sprint(r.Timestamp.UnixMilli()); got != string(r.Value) {
			t.Errorf("a record with time %s was written with time %s", r.Value, got)
		}
	}
}

func TestRecordTimes(t *testing.T) {
	t.Run("kfake", func(t *testing.T) {
		timesAtTheEpoch(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()))
	})
}

func TestRecordTimesRealKafka(t *testing.T) {
	timesAtTheEpoch(t, kafkatest.At(t, kafkatest.Real(t)))
}

func timesAtTheEpoch(t *testing.T, k *kafkatest.Kafka) {
	t.Helper()
	t.Run("are kept by a dead letter", func(t *testing.T) {
		topic, dlq := k.Topic(1), k.Topic(1)
		atTheEpoch(k, topic)
		lettered(t, k, topic, len(epoch), func(context.Context, kafka.Message) error { return errors.New("no") }, sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers, Topic: dlq}))
		keptTheirTimes(t, k.Records(dlq))
		for _, r := range k.Records(dlq) {
			l, err := ops.LetterOf(asMessage(r))
			if err != nil || fmt.Sprint(l.Time.UnixMilli()) != string(r.Value) {
				t.Errorf("a letter of time %s says %v: %v", r.Value, l.Time, err)
			}
		}
	})
	t.Run("are kept by a copy to another topic", func(t *testing.T) {
		topic, out := k.Topic(1), k.Topic(1)
		atTheEpoch(k, topic)
		err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Partitions: map[stream.TopicPartition]source.Span{{Topic: topic}: {To: source.Latest}}}).
			To(sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Topic: out})).
			Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keptTheirTimes(t, k.Records(out))
	})
	t.Run("are kept by a transaction", func(t *testing.T) {
		topic, out := k.Topic(1), k.Topic(1)
		atTheEpoch(k, topic)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: out, Topics: []string{topic}}).
			CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, out), len(epoch), time.Hour).
			Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
				if _, ok := e.(stream.Committed); ok {
					stop()
				}
			}}))
		if err != nil {
			t.Fatal(err)
		}
		keptTheirTimes(t, k.Records(out))
	})
}

// dead runs a chain whose records all become dead letters, and returns the letters.
func dead(t *testing.T, k *kafkatest.Kafka, topic, dlq string, cfg sink.KafkaConfig, n int) []kafka.Message {
	t.Helper()
	cfg.Brokers, cfg.Topic = k.Brokers, dlq
	lettered(t, k, topic, n, func(context.Context, kafka.Message) error { panic("out of cheese") }, sink.DeadLetter(cfg))
	var ms []kafka.Message
	for _, r := range k.Records(dlq) {
		ms = append(ms, asMessage(r))
	}
	if len(ms) != n {
		t.Fatalf("%d letters, want %d", len(ms), n)
	}
	return ms
}

func TestDeadLetterOfEveryRecord(t *testing.T) {
	t.Run("kfake", func(t *testing.T) {
		everyRecord(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs(), kgo.ProducerBatchMaxBytes(1_048_588)))
	})
}

func TestDeadLetterOfEveryRecordRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t), kgo.ProducerBatchMaxBytes(1_048_588))
	everyRecord(t, k)
	t.Run("one without a key, for a compacted topic", func(t *testing.T) {
		topic, dlq := k.Topic(1), k.Topic(1, "cleanup.policy=compact")
		k.Produce(topic, &kgo.Record{Value: []byte("v")}, &kgo.Record{Key: []byte("k"), Value: []byte("w")})
		letters := dead(t, k, topic, dlq, sink.KafkaConfig{}, 2)
		slices.SortFunc(letters, func(a, b kafka.Message) int { return bytes.Compare(a.Value, b.Value) })
		for i, want := range []string{"[0]@0", "k"} {
			if l, err := ops.LetterOf(letters[i]); err != nil || string(letters[i].Key) != want || l.Complete() != (i == 1) {
				t.Errorf("key %q: %+v %v", letters[i].Key, l, err)
			}
		}
	})
	t.Run("one with a time that the topic refuses", func(t *testing.T) {
		topic, dlq := k.Topic(1, "message.timestamp.after.max.ms=9223372036854775807"), k.Topic(1, "message.timestamp.after.max.ms=3600000")
		at := time.Now().Add(240 * time.Hour).Truncate(time.Millisecond)
		k.Produce(topic, &kgo.Record{Value: []byte("early"), Timestamp: at})
		refusedTime(t, dead(t, k, topic, dlq, sink.KafkaConfig{}, 1)[0], at)
	})
}

func everyRecord(t *testing.T, k *kafkatest.Kafka) {
	const most = 1_048_588 - 61 - 20 // of a value, in a topic of the default max.message.bytes
	large := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for name, c := range map[string]struct {
		record   *kgo.Record
		topic    []string
		dlq      []string
		cfg      sink.KafkaConfig
		abridged string
	}{
		"a small one":                                    {record: &kgo.Record{Value: []byte("v")}},
		"one larger than a batch":                        {record: &kgo.Record{Value: large(1_030_000)}},
		"one as large as its topic takes":                {record: &kgo.Record{Value: large(most)}, abridged: "stack, value"},
		"one whose topic takes more than the letters'":   {record: &kgo.Record{Value: large(3000)}, dlq: []string{"max.message.bytes=2000"}, abridged: "stack, value"},
		"one with large headers":                         {record: &kgo.Record{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "h", Value: large(3000)}}}, dlq: []string{"max.message.bytes=2000"}, abridged: "stack, headers"},
		"one with a large key":                           {record: &kgo.Record{Key: large(3000), Value: []byte("v")}, dlq: []string{"max.message.bytes=2000"}, abridged: "stack, key"},
		"one that is large all over":                     {record: &kgo.Record{Key: large(3000), Value: large(3000), Headers: []kgo.RecordHeader{{Key: "h", Value: large(3000)}}}, cfg: sink.KafkaConfig{BatchBytes: 1 << 10}, abridged: "stack, headers, value, key"},
		"one as large as a topic of large records takes": {record: &kgo.Record{Value: large(1_040_000)}, topic: []string{"max.message.bytes=20000000"}, dlq: []string{"max.message.bytes=20000000"}},
	} {
		t.Run(name, func(t *testing.T) {
			topic, dlq := k.Topic(1, c.topic...), k.Topic(1, c.dlq...)
			k.Produce(topic, &kgo.Record{Value: []byte("before")}, c.record, &kgo.Record{Value: []byte("after")})
			letters := dead(t, k, topic, dlq, c.cfg, 3)
			l, err := ops.LetterOf(letters[1])
			if err != nil || l.Abridged != c.abridged || l.Topic != topic || l.Offset != 1 || !strings.HasPrefix(l.Error, "panic: out of cheese") {
				t.Errorf("%+v %v", l, err)
			}
			if value := string(letters[1].Value); strings.Contains(c.abridged, "value") && value != topic+"[0]@1" || !strings.Contains(c.abridged, "value") && value != string(c.record.Value) {
				t.Errorf("its value is %.100q", value)
			}
		})
	}
}

func refusedTime(t *testing.T, m kafka.Message, at time.Time) {
	t.Helper()
	l, err := ops.LetterOf(m)
	if err != nil || l.Abridged != "time" && l.Abridged != "stack, time" || !l.Time.Equal(at) || m.Time.After(time.Now()) || string(m.Value) != "early" {
		t.Errorf("%+v %v: %+v", m.Time, err, l)
	}
}
