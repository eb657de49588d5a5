package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// died has a worker fail on all n records of a new topic, and returns the topic.
func died(t *testing.T, k *kafkatest.Kafka, n int) string {
	t.Helper()
	topic := k.Topic(3)
	k.TopicNamed(topic+".dlq", 2)
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Partition: int32(i % 3), Key: fmt.Appendf(nil, "key %d", i%7), Value: fmt.Append(nil, i)})
	}
	k.Produce(topic, rs...)
	work(t, k, topic, n, func(m kafka.Message) error {
		if m.Offset%2 == 0 {
			return errors.New("no money")
		}
		return errors.New("no stock")
	})
	return topic
}

// work reads n records of the topic and dead-letters those that fail.
func work(t *testing.T, k *kafkatest.Kafka, topic string, n int, handle func(kafka.Message) error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	p, err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: "billing-" + topic, Topics: []string{topic}}).
		Serial(func(_ context.Context, m kafka.Message) error { return handle(m) }, stream.Named("charge")).
		DeadLetterOnError(sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers})).
		CommitEvery(1000, 20*time.Millisecond).
		Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.Committed); !ok {
				return
			}
			done := int64(0)
			for _, next := range k.Committed("billing-"+topic, topic) {
				done += next
			}
			if done == int64(n) {
				stop()
			}
		}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, k *kafkatest.Kafka, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	if err := run(ctx, append([]string{"redrive", "--brokers", strings.Join(k.Brokers, ",")}, args...), &out, &errs); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, &out, &errs)
	}
	return out.String()
}

func says(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
}

func TestRedriveCommand(t *testing.T) {
	t.Run("sends each letter back once", func(t *testing.T) {
		sendsBackOnce(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()))
	})
	t.Run("shows without sending", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic := died(t, k, 12)
		for range 2 { // the first run leaves no trace
			out := command(t, k, "-n", "--error", "no money|no luck", topic+".dlq")
			says(t, out, "6 would be sent back", "6 not matched", "charge after 1 attempts", "no money")
			if strings.Contains(out, "no stock") {
				t.Errorf("it shows excluded letters:\n%s", out)
			}
		}
		if n := len(k.Records(topic)); n != 12 {
			t.Errorf("%d records in the topic, want 12", n)
		}
		command(t, k, topic+".dlq")
		says(t, command(t, k, "-n", topic+".dlq"), "0 would be sent back")
	})
	t.Run("ends the rounds of a poisoned record", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic := died(t, k, 3)
		for round := 1; round <= 2; round++ {
			says(t, command(t, k, "--max-times", "2", topic+".dlq"), "3 sent back")
			work(t, k, topic, 3+3*round, func(kafka.Message) error { return errors.New("still") })
		}
		says(t, command(t, k, "--max-times", "2", topic+".dlq"), "0 sent back", "3 sent back too often")
	})
	t.Run("prints its usage", func(t *testing.T) {
		t.Setenv("KAFKA_BROKERS", "")
		for _, args := range [][]string{{"serve"}, {"redrive"}, {"redrive", "orders.dlq"}, {"redrive", "--brokers", "a:1", "--error", "(", "orders.dlq"},
			{"redrive", "--brokers", "127.0.0.1:1", "--to", "orders.dlq", "orders.dlq"}} {
			var out, errs bytes.Buffer
			if err := run(t.Context(), args, &out, &errs); err == nil {
				t.Errorf("%v was accepted", args)
			}
		}
	})
}

func TestRedriveCommandRealKafka(t *testing.T) {
	sendsBackOnce(t, kafkatest.At(t, kafkatest.Real(t)))
}

func sendsBackOnce(t *testing.T, k *kafkatest.Kafka) {
	t.Helper()
	topic := died(t, k, 30)
	says(t, command(t, k, "-n", topic+".dlq"), "30 would be sent back")
	says(t, command(t, k, topic+".dlq"), "30 sent back", "0 not matched")
	back := k.Records(topic)[:0]
	for _, r := range k.Records(topic) {
		for _, h := range r.Headers {
			if h.Key == "laneway.redriven" && string(h.Value) == "1" {
				back = append(back, r)
			}
		}
	}
	values := map[string]bool{}
	for _, r := range back {
		values[string(r.Value)] = true
	}
	if len(back) != 30 || len(values) != 30 {
		t.Errorf("%d records came back, %d of them different", len(back), len(values))
	}
	says(t, command(t, k, topic+".dlq"), "0 sent back")
}
