package produce

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// producer opens a Producer for the brokers; change is optional.
func producer(t testing.TB, brokers []string, transport *kafka.Transport, change func(*Config)) *Producer {
	t.Helper()
	c := wire.New(wire.Config{Brokers: brokers, Transport: transport})
	t.Cleanup(c.Close)
	cfg := Config{Client: c, BatchBytes: 100_000, DeliveryTimeout: 30 * time.Second, UnknownTopicTimeout: 10 * time.Second}
	if change != nil {
		change(&cfg)
	}
	p := New(cfg)
	if err := p.Open(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// put writes to the topic and expects success.
func put(t testing.TB, p *Producer, topic string, msgs ...kafka.Message) {
	t.Helper()
	failed, err := try(t, p, topic, msgs...)
	if err != nil || len(failed) > 0 {
		t.Errorf("%d of %d failed: %v %v", len(failed), len(msgs), failed, err)
	}
}

func try(t testing.TB, p *Producer, topic string, msgs ...kafka.Message) (map[int]error, error) {
	t.Helper()
	return p.Write(within(t, 60*time.Second), len(msgs), topic, func(i int) *kafka.Message { return &msgs[i] })
}

// numbered returns n messages of a writer, all with the writer's key.
func numbered(writer, from, n int) []kafka.Message {
	msgs := make([]kafka.Message, n)
	for i := range msgs {
		msgs[i] = kafka.Message{Key: fmt.Appendf(nil, "writer %d", writer), Value: fmt.Appendf(nil, "%d", from+i)}
	}
	return msgs
}

// storm has that many writers write perWriter messages each, a hundred at a time, and then checks
// that each is in the topic once and in order.
func storm(t *testing.T, k *kafkatest.Kafka, p *Producer, topic string, writers, perWriter int) {
	t.Helper()
	write100s(t, p, topic, writers, perWriter)
	once(t, k.Records(topic), writers, perWriter)
}

func write100s(t *testing.T, p *Producer, topic string, writers, perWriter int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for from := 0; from < perWriter; from += 100 {
				put(t, p, topic, numbered(w, from, 100)...)
			}
		})
	}
	wg.Wait()
}

func once(t *testing.T, records []*kgo.Record, writers, perWriter int) {
	t.Helper()
	next := map[string]int{}
	for _, r := range records {
		if string(r.Value) != fmt.Sprint(next[string(r.Key)]) {
			t.Errorf("%s: %s in partition %d at %d, want %d", r.Key, r.Value, r.Partition, r.Offset, next[string(r.Key)])
			return
		}
		next[string(r.Key)]++
	}
	for w := range writers {
		if n := next[fmt.Sprintf("writer %d", w)]; n != perWriter {
			t.Errorf("%d messages of writer %d, want %d", n, w, perWriter)
		}
	}
}

func fake(t *testing.T, partitions int, opts ...kfake.Opt) (*kfake.Cluster, *kafkatest.Kafka, string) {
	c := kafkatest.Fake(t, opts...)
	k := kafkatest.At(t, c.ListenAddrs())
	return c, k, k.Topic(partitions)
}

// inVirtualTime runs a subtest in which no time passes but that for which all goroutines wait.
func inVirtualTime(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// virtualFake is fake in virtual time. Its clients need the Transport.
func virtualFake(t *testing.T, partitions int, opts ...kfake.Opt) (*kfake.Cluster, *kafkatest.Kafka, string, *kafka.Transport) {
	c, k, transport := kafkatest.Virtual(t, opts...)
	return c, k, k.Topic(partitions), transport
}
