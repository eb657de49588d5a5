package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
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

func values(records []*kgo.Record) []string {
	var vs []string
	for _, r := range records {
		vs = append(vs, string(r.Value))
	}
	slices.Sort(vs)
	return vs
}

func messages(values ...string) []kafka.Message {
	var ms []kafka.Message
	for _, v := range values {
		ms = append(ms, kafka.Message{Key: []byte(v), Value: []byte(v)})
	}
	return ms
}

// inVirtualTime runs a subtest in which no time passes but that for which all goroutines wait.
func inVirtualTime(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestKafka(t *testing.T) {
	t.Run("writes the results of a chain to another topic", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		in, out := k.Topic(4), k.Topic(3)
		var records []*kgo.Record
		var want []string
		for i := range 1000 {
			records = append(records, &kgo.Record{Partition: int32(i % 4), Key: fmt.Appendf(nil, "key %d", i%16), Value: fmt.Appendf(nil, "%04d", i)})
			want = append(want, fmt.Sprintf("%04d!", i))
		}
		k.Produce(in, records...)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var written atomic.Int64
		err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: "g", Topics: []string{in}}).
			Map(func(_ context.Context, m kafka.Message) (kafka.Message, error) {
				m.Value = append(slices.Clone(m.Value), '!')
				return m, nil
			}).
			To(sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Topic: out, Compression: kafka.Snappy})).
			Serial(func(context.Context, kafka.Message) error { // below To: the broker has it
				if written.Add(1) == int64(len(records)) {
					stop()
				}
				return nil
			}).
			CommitEvery(100, 50*time.Millisecond).
			Run(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := k.Records(out)
		if vs := values(got); !slices.Equal(vs, want) {
			t.Errorf("%d records, want %d", len(vs), len(want))
		}
		last := map[string]string{}
		for _, r := range got {
			if string(r.Value) < last[string(r.Key)] {
				t.Errorf("%s: %s after %s", r.Key, r.Value, last[string(r.Key)])
			}
			last[string(r.Key)] = string(r.Value)
		}
		if c := k.Committed("g", in); c[0] != 250 || c[3] != 250 {
			t.Errorf("committed: %v", c)
		}
	})
	t.Run("leaves refused records to the policies", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic := k.Topic(1, "max.message.bytes=10000")
		var failed []stream.Failure
		dead := sink.Func(func(_ context.Context, es []stream.Out[stream.Failure]) error {
			for _, e := range es {
				failed = append(failed, e.Value)
			}
			return nil
		})
		err := source.Slice(messages("1", "2", strings.Repeat("3", 20_000), "4", strings.Repeat("5", 2_000_000), "6")...).
			To(sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Topic: topic})).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 5}).
			DeadLetterOnError(dead).
			Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if vs := values(k.Records(topic)); !slices.Equal(vs, []string{"1", "2", "4", "6"}) {
			t.Errorf("written: %v", vs)
		}
		if len(failed) != 2 {
			t.Fatalf("%d failed: %v", len(failed), failed)
		}
		for _, f := range failed {
			var large *kafkaerr.TooLargeError
			if !errors.As(f.Err, &large) || f.Attempts != 1 {
				t.Errorf("after %d attempts: %v", f.Attempts, f.Err)
			}
		}
	})
	t.Run("limits the size of a record", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		large := make([]byte, 1_040_000) // a topic takes 1,048,588 by default
		for batch, fits := range map[int]bool{0: true, 1_000_000: false} {
			t.Run(fmt.Sprintf("with BatchBytes of %d", batch), func(t *testing.T) {
				topic := k.Topic(1)
				var tooLarge *kafkaerr.TooLargeError
				err := source.Slice(kafka.Message{Value: []byte("before")}, kafka.Message{Value: large}, kafka.Message{Value: []byte("after")}).
					To(sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Topic: topic, BatchBytes: batch})).Run(t.Context())
				if fits && (err != nil || len(k.Records(topic)) != 3) || !fits && !errors.As(err, &tooLarge) {
					t.Errorf("%d records written: %v", len(k.Records(topic)), err)
				}
			})
		}
	})
	inVirtualTime(t, "keeps the order under a Retry", func(t *testing.T) {
		c, k, transport := kafkatest.Virtual(t)
		topic := k.Topic(1)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: 8})
		ms := make([]kafka.Message, 2000)
		for i := range ms {
			ms[i] = kafka.Message{Key: []byte("k"), Value: fmt.Appendf(nil, "%04d", i)}
		}
		err := source.Slice(ms...).
			To(sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Transport: transport, Topic: topic, DeliveryTimeout: 250 * time.Millisecond, BatchBytes: 2000})).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 50, FirstWait: time.Millisecond, MaxWait: 10 * time.Millisecond}).
			Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := k.Records(topic)
		if len(got) != len(ms) || !slices.IsSortedFunc(got, func(a, b *kgo.Record) int { return strings.Compare(string(a.Value), string(b.Value)) }) {
			t.Errorf("%d records, want %d in order", len(got), len(ms))
		}
	})
	t.Run("is one producer for several words", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic := k.Topic(1)
		s := sink.Kafka(sink.KafkaConfig{Brokers: k.Brokers, Topic: topic})
		if err := source.Slice(messages("1", "2")...).To(s).To(s).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if vs := values(k.Records(topic)); !slices.Equal(vs, []string{"1", "1", "2", "2"}) {
			t.Errorf("written: %v", vs)
		}
	})
	t.Run("ends Run before the first read if it cannot write", func(t *testing.T) {
		c := kafkatest.Fake(t)
		for name, tc := range map[string]struct {
			cfg   sink.KafkaConfig
			match func(error) bool
		}{
			"unknown topic": {sink.KafkaConfig{Brokers: c.ListenAddrs(), Topic: "nowhere", UnknownTopicTimeout: 100 * time.Millisecond}, func(err error) bool {
				var e *kafkaerr.TopicError
				return errors.As(err, &e) && errors.Is(err, kafka.UnknownTopicOrPartition)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				read := false
				err := source.Slice(messages("1")...).Filter(func(kafka.Message) bool { read = true; return true }).To(sink.Kafka(tc.cfg)).Run(t.Context())
				if !tc.match(err) || read {
					t.Errorf("read %v: %v", read, err)
				}
			})
		}
	})
	t.Run("reports all faults of its configuration", func(t *testing.T) {
		s := sink.Kafka(sink.KafkaConfig{Brokers: []string{"nowhere"}, Topic: "a b", Compression: 9, BatchBytes: 3, Linger: time.Hour, DeliveryTimeout: time.Second, UnknownTopicTimeout: -1})
		err := s.(interface{ Check() error }).Check()
		for _, want := range []string{`"nowhere"`, `"a b"`, "compression 9", "BatchBytes is 3", "Linger is 1h", "UnknownTopicTimeout"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
		if err := sink.Kafka(sink.KafkaConfig{Brokers: []string{"a:1"}}).(interface{ Check() error }).Check(); err != nil {
			t.Error(err)
		}
		if s := fmt.Sprint(sink.Kafka(sink.KafkaConfig{Topic: "orders"})); s != "kafka orders" {
			t.Error(s)
		}
	})
}
