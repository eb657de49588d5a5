package fetch

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// counter is a Partition that counts records and drops them.
type counter struct {
	next atomic.Int64
	end  int64
	done *sync.WaitGroup
}

func (*counter) TopicID() [16]byte          { return [16]byte{} }
func (c *counter) Room() (int, int64)       { return 4096, 8 << 20 }
func (c *counter) Next() int64              { return c.next.Load() }
func (c *counter) Halt(int64, int64, error) {}
func (c *counter) Advance(next, _ int64)    { c.next.Store(next) }
func (c *counter) Feed(_ []kafka.Message, next, _ int64, _ int32) {
	if c.next.Swap(next) < c.end && next >= c.end {
		c.done.Done()
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkFetchRealKafka reads 400,000 records of 200 bytes from 8 partitions of a broker in
// another process, without a group, and compares with franz-go.
func BenchmarkFetchRealKafka(b *testing.B) {
	const partitions, each = 8, 50_000
	brokers := kafkatest.Real(b)
	k := kafkatest.At(b, brokers, kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
	topic := k.Topic(partitions)
	value := bytes.Repeat([]byte("abcdefgh"), 24)
	for p := range partitions {
		recs := make([]*kgo.Record, each)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: topic, Partition: int32(p), Key: fmt.Appendf(nil, "key-%04d", i%1000), Value: value}
		}
		if err := k.Client.ProduceSync(b.Context(), recs...).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	measure := func(b *testing.B, read func(ctx context.Context)) {
		b.ReportAllocs()
		var used time.Duration
		for b.Loop() {
			before := cpu()
			read(b.Context())
			used += cpu() - before
		}
		n := float64(b.N * partitions * each)
		b.ReportMetric(n/b.Elapsed().Seconds()/1e6, "Mrecords/s")
		b.ReportMetric(float64(used.Nanoseconds())/n, "cpu-ns/record")
	}
	b.Run("laneway", func(b *testing.B) {
		c := wire.New(wire.Config{Brokers: brokers})
		defer c.Close()
		if _, err := c.Metadata(b.Context(), topic); err != nil {
			b.Fatal(err)
		}
		measure(b, func(ctx context.Context) {
			f := New(Config{Client: c, Decoder: batch.NewDecoder(0)})
			ctx, cancel := context.WithCancel(ctx)
			var all, run sync.WaitGroup
			for p := range partitions {
				all.Add(1)
				f.Add(wire.PartitionOf(topic, p), &counter{end: each, done: &all})
			}
			run.Go(func() { _ = f.Run(ctx) })
			all.Wait()
			cancel()
			run.Wait()
		})
	})
	b.Run("franz-go", func(b *testing.B) {
		measure(b, func(ctx context.Context) {
			c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for n := 0; n < partitions*each; {
				n += c.PollFetches(ctx).NumRecords()
			}
		})
	})
}
