package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// rival reads n records of a topic in a fresh group, to their committed offsets.
type rival struct {
	name string
	read func(b *testing.B, addr, group, topic string, n int, seen func())
}

// readerSettings are the kafka.Reader's: printed with the results.
const readerSettings = "kafka.Reader: MinBytes 1, MaxBytes 10 MB, MaxWait 100 ms, QueueCapacity 10,000, a commit per 10,000 records"

var (
	reader = rival{"kafka.Reader", func(b *testing.B, addr, group, topic string, n int, seen func()) {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, GroupID: group, Topic: topic, MinBytes: 1, MaxBytes: 10e6,
			MaxWait: 100 * time.Millisecond, QueueCapacity: 10_000, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 100 * time.Millisecond})
		ctx := context.Background()
		var batch []kafka.Message
		for i := range n {
			m, err := r.FetchMessage(ctx)
			if err != nil {
				b.Fatal(err)
			}
			seen()
			if batch = append(batch, m); len(batch) == 10_000 || i == n-1 {
				if err := r.CommitMessages(ctx, batch...); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		b.Cleanup(func() { r.Close() }) // takes seconds: not measured
	}}
	franz = rival{"franz-go", func(b *testing.B, addr, group, topic string, n int, seen func()) {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.AutoCommitInterval(time.Second))
		if err != nil {
			b.Fatal(err)
		}
		defer cl.Close()
		ctx := context.Background()
		for got := 0; got < n; {
			fs := cl.PollFetches(ctx)
			fs.EachRecord(func(*kgo.Record) { seen(); got++ })
		}
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			b.Fatal(err)
		}
	}}
	ours = rival{"laneway", func(b *testing.B, addr, group, topic string, n int, seen func()) {
		laneway(b, addr, group, topic, n, func(s stream.Stream[kafka.Message], f func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
			return s.GroupByPartition().Serial(f)
		}, seen)
	}}
	oursKeyed = rival{"laneway keyed", func(b *testing.B, addr, group, topic string, n int, seen func()) {
		laneway(b, addr, group, topic, n, func(s stream.Stream[kafka.Message], f func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
			return s.GroupByKey().Concurrent(64, f)
		}, seen)
	}}
)

func laneway(b *testing.B, addr, group, topic string, n int,
	work func(stream.Stream[kafka.Message], func(context.Context, kafka.Message) error) stream.Stream[kafka.Message], seen func()) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var got atomic.Int64
	err := work(source.Kafka(source.KafkaConfig{Brokers: []string{addr}, Group: group, Topics: []string{topic}}),
		func(context.Context, kafka.Message) error {
			seen()
			if got.Add(1) == int64(n) {
				stop() // the drain commits everything
			}
			return nil
		}).CommitEvery(10_000, time.Second).Run(ctx)
	if err != nil {
		b.Fatal(err)
	}
}

// measure runs a rival once: from its start to its last committed offset.
func measure(b *testing.B, r rival, k *kafkatest.Kafka, topic string, n int, work func()) (wall, used time.Duration) {
	start, cpuAt := time.Now(), cpu()
	r.read(b, k.Brokers[0], kafkatest.Name("bench"), topic, n, work)
	return time.Since(start), cpu() - cpuAt
}

const (
	recordsW1 = 400_000
	recordsW2 = 20_000
)

// BenchmarkKafkaW1: 400,000 records of 200 B over 8 partitions, nothing done, to committed offsets. The ratios are to franz-go and to the Reader.
func BenchmarkKafkaW1(b *testing.B) {
	k := broker(b)
	topic := filled(k, recordsW1, 200)
	b.Log(readerSettings)
	b.ResetTimer()
	rivals := []rival{reader, franz, ours, oursKeyed}
	wall, used := make([]time.Duration, len(rivals)), make([]time.Duration, len(rivals))
	for range b.N {
		for i, r := range rivals {
			w, u := measure(b, r, k, topic, recordsW1, func() {})
			wall[i] += w
			used[i] += u
		}
	}
	for i, r := range rivals {
		per := float64(b.N) * recordsW1
		b.Logf("%-14s %6.2f M/s  %5.0f ns CPU each", r.name, per/wall[i].Seconds()/1e6, float64(used[i])/per)
	}
	b.ReportMetric(float64(wall[1])/float64(wall[2]), "x-franz")
	b.ReportMetric(float64(wall[0])/float64(wall[2]), "x-reader")
	b.ReportMetric(float64(used[2])/float64(used[0]), "cpu/reader")
	b.ReportMetric(float64(wall[2])/float64(wall[3]), "keyed/ungrouped")
}

// BenchmarkKafkaW2: 20,000 records whose handler takes 1 ms, 1,000 keys, 64 at a time, to committed offsets; x is the time over 64 goroutines that
// only sleep.
func BenchmarkKafkaW2(b *testing.B) {
	k := broker(b)
	topic := filled(k, recordsW2, 200)
	b.ResetTimer()
	var floor, took time.Duration
	for range b.N {
		floor += sleepers(recordsW2, 64)
		w, _ := measure(b, oursKeyed, k, topic, recordsW2, func() { time.Sleep(time.Millisecond) })
		took += w
	}
	b.ReportMetric(float64(took)/float64(floor), "x")
}

// BenchmarkKafkaMemory: every handler is stuck while 1 GiB waits in Kafka. over-MiB is the most memory that the process holds above what it held
// before, less the byte budget of 64 MiB.
func BenchmarkKafkaMemory(b *testing.B) {
	k := broker(b)
	topic := filled(k, 1<<18, 4096)
	b.ResetTimer()
	over := math.Inf(-1)
	for range b.N {
		debug.FreeOSMemory()
		before := resident(b)
		ctx, stop := context.WithCancel(context.Background())
		most := make(chan float64)
		var wg conc.WaitGroup
		wg.Go(func() {
			peak := 0.0
			for range 30 {
				peak = max(peak, resident(b)-before)
				time.Sleep(100 * time.Millisecond)
			}
			stop()
			most <- peak
		})
		wg.Go(func() {
			err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: kafkatest.Name("bench"), Topics: []string{topic}}).
				GroupByKey().Concurrent(64, func(ctx context.Context, _ kafka.Message) error { <-ctx.Done(); return ctx.Err() }).
				CommitEvery(1000, time.Second).Run(ctx, stream.DrainTimeout(0))
			if !errors.Is(err, stream.ErrDrain) {
				b.Error(err)
			}
		})
		over = max(over, <-most-64)
		wg.Wait()
	}
	b.ReportMetric(over, "over-MiB")
}

// resident is the memory of this process in MiB, garbage that was not collected yet included.
func resident(b *testing.B) float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("needs /proc")
	}
	var size, pages float64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}
