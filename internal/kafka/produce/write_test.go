package produce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestWrite(t *testing.T) {
	t.Run("writes records unchanged", func(t *testing.T) {
		c, k, topic := fake(t, 1)
		p := producer(t, c.ListenAddrs(), nil, nil)
		at := time.UnixMilli(1_700_000_000_123)
		began := time.Now().Truncate(time.Millisecond)
		put(t, p, topic,
			kafka.Message{Key: []byte("k"), Value: []byte("v"), Time: at, Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}},
			kafka.Message{Key: []byte("k"), Value: nil})
		got := k.Records(topic)
		if len(got) != 2 {
			t.Fatalf("%d records", len(got))
		}
		if r := got[0]; string(r.Key) != "k" || string(r.Value) != "v" || !r.Timestamp.Equal(at) || len(r.Headers) != 1 || r.Headers[0].Key != "h" || string(r.Headers[0].Value) != "1" {
			t.Errorf("%+v", r)
		}
		if r := got[1]; r.Value != nil || r.Timestamp.Before(began) || r.Timestamp.After(time.Now()) {
			t.Errorf("a tombstone without a time became %+v", r)
		}
		if id := got[0].ProducerID; id < 0 {
			t.Errorf("producer id %d: not idempotent", id)
		}
	})
	t.Run("writes to the topic of each message", func(t *testing.T) {
		c, k, topic := fake(t, 1)
		other := k.Topic(1)
		p := producer(t, c.ListenAddrs(), nil, nil)
		failed, err := try(t, p, "", kafka.Message{Topic: topic, Value: []byte("1")}, kafka.Message{Value: []byte("2")}, kafka.Message{Topic: other, Value: []byte("3")})
		if err != nil || len(failed) != 1 || !errors.Is(failed[1], errNoTopic) {
			t.Errorf("failed: %v %v", failed, err)
		}
		if len(k.Records(topic)) != 1 || len(k.Records(other)) != 1 {
			t.Error("want one record in each topic")
		}
	})
	inVirtualTime(t, "sends no queued record after it is cancelled", func(t *testing.T) {
		c, k, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.Linger = 200 * time.Millisecond })
		put(t, p, topic, numbered(0, 0, 1)...) // so that the topic is known
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		msg := kafka.Message{Key: []byte("late"), Value: []byte("given up")}
		go func() {
			_, err := p.Write(ctx, 1, topic, func(int) *kafka.Message { return &msg })
			ended <- err
		}()
		synctest.Wait() // it is queued
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		put(t, p, topic, numbered(0, 1, 1)...) // lingers longer than the cancelled one
		once(t, k.Records(topic), 1, 2)
	})
	t.Run("bounds the bytes in flight", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		topic := k.Topic(60)
		p := producer(t, c.ListenAddrs(), nil, func(cfg *Config) {
			cfg.BatchBytes = 1_000_000
			cfg.Balancer = kafka.BalancerFunc(func(m kafka.Message, ps ...int) int { return int(m.Key[0]) })
		})
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.onWay > onWayBytes {
				t.Errorf("%d bytes are in flight", p.onWay)
			}
			return nil, nil, false
		})
		msgs := make([]kafka.Message, 60)
		for i := range msgs {
			msgs[i] = kafka.Message{Key: []byte{byte(i)}, Value: make([]byte, 990_000)}
		}
		put(t, p, topic, msgs...)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.onWay != 0 {
			t.Errorf("%d bytes are in flight at the end", p.onWay)
		}
	})
}

func TestTime(t *testing.T) {
	c, k, topic := fake(t, 1)
	p := producer(t, c.ListenAddrs(), nil, nil)
	for _, ms := range []int64{0, -1, -86_400_000, 1} {
		put(t, p, topic, kafka.Message{Value: fmt.Append(nil, ms), Time: time.UnixMilli(ms)})
	}
	for _, r := range k.Records(topic) {
		if got := fmt.Sprint(r.Timestamp.UnixMilli()); got != string(r.Value) {
			t.Errorf("a message with time %s was written with time %s", r.Value, got)
		}
	}
}

func TestPartitioning(t *testing.T) {
	// The expected values come from the test of Java's org.apache.kafka.common.utils.Utils.murmur2.
	t.Run("of keys equals Java's", func(t *testing.T) {
		for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
			"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
			numbers := make([]int, 997)
			for i := range numbers {
				numbers[i] = i
			}
			if got, want := byKey.Balance(kafka.Message{Key: []byte(key)}, numbers...), int(hash&0x7fffffff)%997; got != want {
				t.Errorf("%q goes to partition %d, Java puts it into %d", key, got, want)
			}
		}
	})
	t.Run("keeps records without a key together by batch", func(t *testing.T) {
		c, k, topic := fake(t, 8)
		p := producer(t, c.ListenAddrs(), nil, nil)
		seen := map[int32]int{}
		for range 40 {
			put(t, p, topic, make([]kafka.Message, 25)...)
		}
		for _, r := range k.Records(topic) {
			seen[r.Partition]++
		}
		if len(seen) < 4 {
			t.Errorf("40 batches went to %d of 8 partitions: %v", len(seen), seen)
		}
		for p, n := range seen {
			if n%25 != 0 {
				t.Errorf("partition %d has %d records: a Write of 25 was split", p, n)
			}
		}
	})
	t.Run("by a wrong Balancer fails the record", func(t *testing.T) {
		c, k, topic := fake(t, 2)
		p := producer(t, c.ListenAddrs(), nil, func(cfg *Config) {
			cfg.Balancer = kafka.BalancerFunc(func(m kafka.Message, ps ...int) int { return len(m.Value) })
		})
		failed, err := try(t, p, topic, kafka.Message{Value: []byte("1")}, kafka.Message{Value: []byte("two")})
		var wrong *BalanceError
		if err != nil || len(failed) != 1 || !errors.As(failed[1], &wrong) || wrong.Partition != 3 {
			t.Errorf("%v %v", failed, err)
		}
		if got := k.Records(topic); len(got) != 1 || got[0].Partition != 1 {
			t.Error(fmt.Sprint(got))
		}
	})
}

func TestLinger(t *testing.T) {
	inVirtualTime(t, "lets writes share batches", func(t *testing.T) {
		c, _, topic, transport := virtualFake(t, 1)
		p := producer(t, c.ListenAddrs(), transport, func(cfg *Config) { cfg.Linger = 700 * time.Millisecond })
		requests := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { put(t, p, topic, numbered(i, 0, 10)...) })
		}
		wg.Wait()
		if n := requests.Hits(); n != 1 {
			t.Errorf("%d requests for 20 concurrent Writes", n)
		}
	})
	t.Run("ends with a full batch", func(t *testing.T) {
		c, k, topic := fake(t, 1)
		p := producer(t, c.ListenAddrs(), nil, func(cfg *Config) { cfg.Linger, cfg.BatchBytes = time.Hour, 2000 })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		msgs := numbered(0, 0, 60) // more than one batch: the last one lingers
		go func() {
			_, err := p.Write(ctx, len(msgs), topic, func(i int) *kafka.Message { return &msgs[i] })
			ended <- err
		}()
		for len(k.Records(topic)) == 0 {
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
