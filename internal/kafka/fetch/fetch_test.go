package fetch

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const plenty = 1 << 20

func TestFetch(t *testing.T) {
	t.Run("reads every codec from every broker", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(6, "orders", "payments"))
		codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(), kgo.NoCompression()}
		w := start(t, k, nil, "orders", "payments")
		parts := map[wire.TopicPartition]*sinkPart{}
		for _, topic := range []string{"orders", "payments"} {
			for i, codec := range codecs {
				write(t, producer(t, k, kgo.ProducerBatchCompression(codec)), topic, int32(i), 1000)
				parts[wire.PartitionOf(topic, i)] = part0(0, plenty)
				w.f.Add(wire.PartitionOf(topic, i), parts[wire.PartitionOf(topic, i)])
			}
		}
		for tp, p := range parts {
			p.untilRecords(t, 1000)
			for i, m := range p.msgs {
				if m.Offset != int64(i) || m.Topic != tp.Topic || m.Partition != tp.Partition || string(m.Key) != fmt.Sprintf("k%d", i) || string(m.Value) != fmt.Sprintf("%0100d", i) {
					t.Fatalf("%v: record %d is %+v", tp, i, m)
				}
			}
			p.until(t, "the end of the log", func() bool { return p.end == 1000 })
		}
	})
	t.Run("never exceeds the room, and continues after Wake", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 3000)
		w := start(t, k, nil, "orders")
		p := part0(0, 10)
		tp := wire.PartitionOf("orders", 0)
		w.f.Add(tp, p)
		for n := 10; n < 3000; n += 330 {
			p.untilRecords(t, n)
			p.mu.Lock()
			p.room = 330
			p.mu.Unlock()
			w.f.Wake(tp)
		}
	})
	// Only one partition of a request may exceed its limit. The others bring nothing if a batch does
	// not fit, however often they are fetched.
	t.Run("asks for a whole batch even with little room", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		prod := producer(t, k, kgo.ProducerLinger(time.Second), kgo.ProducerBatchCompression(kgo.NoCompression()))
		write(t, prod, "orders", 0, 1000)
		asked := make(chan int32, 100)
		w := start(t, k, func(c *Config) {
			c.Client = tampered{c.Client, func(req *kmsg.FetchRequest, _ *kmsg.FetchResponse) {
				asked <- req.Topics[0].Partitions[0].PartitionMaxBytes
			}}
		}, "orders")
		p := part0(0, 1000)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		p.untilRecords(t, 1000) // it has no room now, so nothing is fetched until Wake
		for len(asked) > 0 {
			<-asked
		}
		write(t, prod, "orders", 0, 1000)
		p.mu.Lock()
		p.room = 1
		p.mu.Unlock()
		w.f.Wake(wire.PartitionOf("orders", 0))
		if n := <-asked; n < 100_000 {
			t.Errorf("with room for one record it asked for %d bytes, want a batch of 100,000", n)
		}
		p.untilRecords(t, 1001)
	})
	t.Run("of a partition with new room does not wait for idle ones", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
		write(t, producer(t, k), "orders", 1, 100)
		w := start(t, k, func(c *Config) { c.MaxWait = 15 * time.Second }, "orders")
		polls := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		w.f.Add(wire.PartitionOf("orders", 0), part0(0, plenty))
		if err := polls.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		p := part0(0, 0)
		w.f.Add(wire.PartitionOf("orders", 1), p)
		start := time.Now()
		for _, n := range []int{30, 60, 100} {
			p.mu.Lock()
			p.room = n - len(p.msgs)
			p.mu.Unlock()
			w.f.Wake(wire.PartitionOf("orders", 1))
			p.untilRecords(t, n)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v, like the idle partition's poll", took)
		}
	})
	t.Run("feeds nothing after Remove", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		prod := producer(t, k)
		write(t, prod, "orders", 0, 50)
		w := start(t, k, nil, "orders")
		p := part0(0, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		p.untilRecords(t, 50)
		w.f.Remove(wire.PartitionOf("orders", 0))
		p.mu.Lock()
		feeds := p.feeds
		p.mu.Unlock()
		next := part0(50, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), next)
		write(t, prod, "orders", 0, 50)
		next.untilRecords(t, 50)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.feeds != feeds {
			t.Error("fed after Remove")
		}
	})
	t.Run("retries each transient error", func(t *testing.T) {
		for _, e := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable,
			kerr.ReplicaNotAvailable, kerr.UnknownTopicID, kerr.KafkaStorageError, kerr.OffsetNotAvailable, kerr.UnknownServerError} {
			t.Run(e.Message, func(t *testing.T) {
				k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
				prod := producer(t, k)
				write(t, prod, "orders", 0, 100)
				write(t, prod, "orders", 1, 100)
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Partitions: []int32{0}, Err: e, Count: 2})
				w := start(t, k, nil, "orders")
				p, other := part0(0, plenty), part0(0, plenty)
				w.f.Add(wire.PartitionOf("orders", 0), p)
				w.f.Add(wire.PartitionOf("orders", 1), other)
				other.untilRecords(t, 100)
				p.untilRecords(t, 100)
			})
		}
	})
	t.Run("loses and repeats nothing when leaders move", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "orders"))
		prod := producer(t, k)
		w := start(t, k, nil, "orders")
		parts := make([]*sinkPart, 3)
		for i := range parts {
			parts[i] = part0(0, plenty)
			w.f.Add(wire.PartitionOf("orders", i), parts[i])
		}
		for round := 1; round <= 5; round++ {
			for i := range parts {
				if err := k.MoveTopicPartition("orders", int32(i), int32((round+i)%3)); err != nil {
					t.Fatal(err)
				}
				write(t, prod, "orders", int32(i), 20)
			}
			for _, p := range parts {
				p.untilRecords(t, 20*round)
			}
		}
	})
	t.Run("survives the removal of a broker", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "orders"))
		prod := producer(t, k)
		w := start(t, k, nil, "orders")
		parts := make([]*sinkPart, 4)
		for i := range parts {
			write(t, prod, "orders", int32(i), 20)
			parts[i] = part0(0, plenty)
			w.f.Add(wire.PartitionOf("orders", i), parts[i])
		}
		for _, p := range parts {
			p.untilRecords(t, 20)
		}
		if err := k.RemoveNode(1); err != nil {
			t.Fatal(err)
		}
		for i, p := range parts {
			write(t, prod, "orders", int32(i), 20)
			p.untilRecords(t, 40)
		}
	})
	t.Run("waits while the broker throttles", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 10)
		var once atomic.Bool
		w := start(t, k, func(c *Config) {
			c.Client = tampered{c.Client, func(_ *kmsg.FetchRequest, r *kmsg.FetchResponse) {
				if !once.Swap(true) {
					r.ThrottleMillis = 300
					r.Topics = nil // a throttled response is empty
				}
			}}
		}, "orders")
		start := time.Now()
		p := part0(0, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		p.untilRecords(t, 10)
		if took := time.Since(start); took < 300*time.Millisecond {
			t.Errorf("fetched again after %v", took)
		}
		if e := <-w.events; e.Name != "throttled" {
			t.Errorf("event: %+v", e)
		}
	})
}

func TestDamagedBatch(t *testing.T) {
	t.Run("halts its partition alone", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
		prod := producer(t, k, kgo.ProducerLinger(10*time.Millisecond))
		write(t, prod, "orders", 0, 10)
		write(t, prod, "orders", 0, 10)
		write(t, prod, "orders", 0, 10)
		write(t, prod, "orders", 1, 30)
		var repaired atomic.Bool
		w := start(t, k, func(c *Config) {
			c.Client = tampered{c.Client, func(_ *kmsg.FetchRequest, r *kmsg.FetchResponse) {
				for _, t := range r.Topics {
					for _, p := range t.Partitions {
						if p.Partition == 0 && !repaired.Load() {
							damage(p.RecordBatches, 10)
						}
					}
				}
			}}
		}, "orders")
		p, other := part0(0, plenty), part0(0, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		w.f.Add(wire.PartitionOf("orders", 1), other)
		other.untilRecords(t, 30)
		p.until(t, "the halt", func() bool { return p.halt != nil })
		p.untilRecords(t, 10)
		var e *kafkaerr.BatchError
		if !errors.As(p.halt, &e) || !errors.Is(p.halt, batch.ErrChecksum) || e.Offset != 10 || p.resume != 20 {
			t.Fatalf("halt: %v, skip continues at %d", p.halt, p.resume)
		}
		// Resume fetches the batch again, which is whole this time.
		repaired.Store(true)
		p.mu.Lock()
		p.halt = nil
		p.mu.Unlock()
		w.f.Wake(wire.PartitionOf("orders", 0))
		p.untilRecords(t, 30)
	})
	t.Run("is not read again after Skip", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		prod := producer(t, k, kgo.ProducerLinger(10*time.Millisecond))
		for range 3 {
			write(t, prod, "orders", 0, 10)
		}
		w := start(t, k, func(c *Config) {
			c.Client = tampered{c.Client, func(_ *kmsg.FetchRequest, r *kmsg.FetchResponse) {
				for _, t := range r.Topics {
					for _, p := range t.Partitions {
						damage(p.RecordBatches, 10)
					}
				}
			}}
		}, "orders")
		p := part0(0, plenty)
		w.f.Add(wire.PartitionOf("orders", 0), p)
		p.until(t, "the halt", func() bool { return p.halt != nil })
		p.mu.Lock()
		p.halt, p.next = nil, p.resume
		p.mu.Unlock()
		w.f.Wake(wire.PartitionOf("orders", 0))
		p.untilRecords(t, 20)
		if p.msgs[10].Offset != 20 {
			t.Errorf("continued at %d", p.msgs[10].Offset)
		}
	})
}
