package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// poisoned is a worker that keeps running and fails on every record.
type poisoned struct {
	stop    context.CancelFunc
	stopped chan struct{}

	mu     sync.Mutex // guards died and grown
	died   int
	broken error
	grown  *sync.Cond
}

func poison(t *testing.T, k *kafkatest.Kafka, topic string) *poisoned {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &poisoned{stop: stop, stopped: make(chan struct{})}
	w.grown = sync.NewCond(&w.mu)
	count := stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if _, ok := e.(stream.DeadLettered); ok {
			w.mu.Lock()
			w.died++
			w.mu.Unlock()
			w.grown.Broadcast()
		}
	}})
	go func() {
		defer close(w.stopped)
		err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: "billing-" + topic, Topics: []string{topic}}).
			Serial(func(context.Context, kafka.Message) error { return errors.New("poison") }, stream.Named("charge")).
			DeadLetterOnError(sink.DeadLetter(sink.KafkaConfig{Brokers: k.Brokers})).
			CommitEvery(1000, 20*time.Millisecond).
			Run(ctx, count)
		w.mu.Lock()
		w.broken = errors.Join(err, errors.New("the worker ended"))
		w.mu.Unlock()
		w.grown.Broadcast()
	}()
	t.Cleanup(func() {
		stop()
		<-w.stopped
	})
	return w
}

// buried waits until n records have become dead letters.
func (w *poisoned) buried(t *testing.T, n int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.died < n && w.broken == nil {
		w.grown.Wait()
	}
	if w.broken != nil {
		t.Fatal(w.broken)
	}
}

func redriven(k *kafkatest.Kafka, topic string) (n int) {
	for _, r := range k.Records(topic) {
		for _, h := range r.Headers {
			if h.Key == "laneway.redriven" {
				n++
			}
		}
	}
	return n
}

func some(n int) (rs []*kgo.Record) {
	for i := range n {
		rs = append(rs, &kgo.Record{Key: fmt.Appendf(nil, "key %d", i%7), Value: fmt.Append(nil, i)})
	}
	return rs
}

func TestRedrive(t *testing.T) {
	t.Run("ends with the letters present at the start, and leaves repeated failures to the next run", func(t *testing.T) {
		endsWithWhatWasThere(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()))
	})
	t.Run("with --follow keeps running, and does not send back its own letters", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic := k.Topic(1)
		dlq := k.TopicNamed(topic+".dlq", 1)
		w := poison(t, k, topic)
		k.Produce(topic, some(10)...)
		w.buried(t, 10)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var out, errs bytes.Buffer
		go func() {
			ended <- run(ctx, []string{"redrive", "--brokers", strings.Join(k.Brokers, ","), "--follow", dlq}, &out, &errs)
		}()
		w.buried(t, 20)
		k.WaitCommitted("laneway-redrive-"+dlq, dlq, map[int32]int64{0: 20})
		beats := make(chan struct{})
		c.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if req.(*kmsg.HeartbeatRequest).Group == "laneway-redrive-"+dlq {
				select {
				case beats <- struct{}{}:
				default:
				}
			}
			return nil, nil, false
		})
		for range 2 { // in between it looks several times whether all is sent
			select {
			case <-beats:
			case err := <-ended:
				t.Fatalf("it ended: %v\n%s%s", err, &out, &errs)
			}
		}
		k.Produce(topic, &kgo.Record{Key: []byte("new"), Value: []byte("new")})
		w.buried(t, 22) // the new one was sent back too, behind the letters of the first ones
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%v\n%s%s", err, &out, &errs)
		}
		if n := redriven(k, topic); n != 11 {
			t.Errorf("11 letters were sent back %d times", n)
		}
	})
	t.Run("sends an abridged letter back whole", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic := k.Topic(1)
		dlq := k.TopicNamed(topic+".dlq", 1, "max.message.bytes=2000")
		w := poison(t, k, topic)
		large := bytes.Repeat([]byte("x"), 3000)
		k.Produce(topic, &kgo.Record{Key: []byte("k"), Value: large, Headers: []kgo.RecordHeader{{Key: "trace", Value: large}}})
		w.buried(t, 1)
		w.stop()
		<-w.stopped
		says(t, command(t, k, dlq), "1 sent back")
		rs := k.Records(topic)
		if r := rs[len(rs)-1]; len(rs) != 2 || !bytes.Equal(r.Value, large) || string(r.Key) != "k" || len(r.Headers) != 2 || !bytes.Equal(r.Headers[0].Value, large) || !r.Timestamp.Equal(rs[0].Timestamp) {
			t.Errorf("%d records, the last with %d bytes and %d headers", len(rs), len(r.Value), len(r.Headers))
		}
	})
	t.Run("reports letters that it cannot send back, and sends the rest", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic := k.Topic(1)
		dlq := k.TopicNamed(topic+".dlq", 1)
		gone := deadletter.Letter{Topic: topic, Offset: 99, Time: time.UnixMilli(1)}.Record(kafka.Message{Value: make([]byte, 3000)}, deadletter.WithoutValue, deadletter.Refused{})
		here := deadletter.Letter{Topic: topic, Offset: 98, Time: time.UnixMilli(1)}.Record(kafka.Message{Value: []byte("v")}, deadletter.Whole, deadletter.Refused{})
		for _, m := range []kafka.Message{gone, here} {
			r := &kgo.Record{Value: m.Value}
			for _, h := range m.Headers {
				r.Headers = append(r.Headers, kgo.RecordHeader(h))
			}
			k.Produce(dlq, r)
		}
		for _, dry := range []string{"-n", "-n=false"} {
			var out, errs bytes.Buffer
			err := run(t.Context(), []string{"redrive", "--brokers", strings.Join(k.Brokers, ","), dry, dlq}, &out, &errs)
			if err == nil || !strings.Contains(err.Error(), "1 letters cannot be sent back") {
				t.Error(err)
			}
			says(t, out.String(), dlq+"[0]@0  cannot be sent back", topic+"[0]@99: the record", ": 1 ")
		}
		if n := redriven(k, topic); n != 1 {
			t.Errorf("%d were sent back", n)
		}
	})
}

func TestRedriveEndRealKafka(t *testing.T) {
	endsWithWhatWasThere(t, kafkatest.At(t, kafkatest.Real(t)))
}

func endsWithWhatWasThere(t *testing.T, k *kafkatest.Kafka) {
	t.Helper()
	topic := k.Topic(3)
	dlq := k.TopicNamed(topic+".dlq", 2)
	w := poison(t, k, topic)
	k.Produce(topic, some(40)...)
	w.buried(t, 40)
	for round := 1; round <= 3; round++ {
		says(t, command(t, k, "--per-second", "100", dlq), "40 sent back", "0 not matched", "0 sent back too often")
		if n := redriven(k, topic); n != 40*round {
			t.Errorf("40 letters were sent back %[2]d times in %[1]d rounds", round, n)
		}
		w.buried(t, 40+40*round)
	}
	says(t, command(t, k, dlq), "0 sent back", "40 sent back too often")
}
