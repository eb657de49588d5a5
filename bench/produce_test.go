package bench

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

const recordsProduced = 400_000

var keys = testbed.Keys

// producer writes n records of one value, with 1,000 keys.
type producer struct {
	name  string
	write func(b *testing.B, addr, topic string, n int, value []byte)
}

var (
	// franzProducer keeps its default of up to five requests in flight per broker, with an
	// unlimited buffer.
	franzProducer = producer{"franz-go", func(b *testing.B, addr, topic string, n int, value []byte) {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), testbed.Uncompressed, kgo.MaxBufferedRecords(100_000))
		if err != nil {
			b.Fatal(err)
		}
		defer cl.Close()
		ctx := context.Background()
		for i := range n {
			cl.Produce(ctx, &kgo.Record{Key: keys[i*7919%1000], Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
		if err := cl.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}}
	// ourProducer is called like a chain calls it: 8 partitions write 1,000 elements at a time, and
	// wait for them before the next.
	ourProducer = producer{"laneway", func(b *testing.B, addr, topic string, n int, value []byte) {
		s := sink.Kafka(sink.KafkaConfig{Brokers: []string{addr}, Topic: topic})
		ctx := context.Background()
		if err := s.(interface{ Open(context.Context) error }).Open(ctx); err != nil {
			b.Fatal(err)
		}
		defer s.(interface{ Close(context.Context) error }).Close(ctx)
		var wg conc.WaitGroup
		for p := range testbed.Partitions {
			wg.Go(func() {
				for from := 0; from < n/testbed.Partitions; from += 1000 {
					es := make([]stream.Out[kafka.Message], 1000)
					for i := range es {
						es[i].Value = kafka.Message{Key: keys[(p*1_000_003+from+i)*7919%1000], Value: value}
					}
					if err := s.Write(ctx, es); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}}
)

// BenchmarkKafkaProduce writes 400,000 records of 200 B to 8 partitions: idempotent, acknowledged
// by all replicas. The ratio is to franz-go's producer.
func BenchmarkKafkaProduce(b *testing.B) {
	k := broker(b)
	rivals := []producer{franzProducer, ourProducer}
	wall, used := make([]time.Duration, len(rivals)), make([]time.Duration, len(rivals))
	value := make([]byte, 200)
	for i := range value {
		value[i] = byte(i * 7)
	}
	b.ResetTimer()
	for range b.N {
		for i, r := range rivals {
			w, u := produced(b, r, k, value)
			wall[i] += w
			used[i] += u
		}
	}
	for i, r := range rivals {
		per := float64(b.N) * recordsProduced
		b.Logf("%-14s %6.2f M/s  %5.0f ns CPU each", r.name, per/wall[i].Seconds()/1e6, float64(used[i])/per)
	}
	b.ReportMetric(float64(wall[0])/float64(wall[1]), "x-franz")
	b.ReportMetric(float64(used[1])/float64(used[0]), "cpu/franz")
}

func produced(b *testing.B, r producer, k *kafkatest.Kafka, value []byte) (wall, used time.Duration) {
	topic := k.Topic(testbed.Partitions, "retention.bytes=67108864")
	start, cpuAt := time.Now(), cpu()
	r.write(b, k.Brokers[0], topic, recordsProduced, value)
	wall, used = time.Since(start), cpu()-cpuAt
	total := int64(0)
	for _, end := range k.Ends(topic) {
		total += end
	}
	if total != recordsProduced {
		b.Fatalf("%s wrote %d of %d records", r.name, total, recordsProduced)
	}
	return wall, used
}
