package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

var errOnce = errors.New("fails once")

func add(n int64) func(context.Context, kafka.Message) (kafka.Message, error) {
	return func(_ context.Context, m kafka.Message) (kafka.Message, error) { m.Offset += n; return m, nil }
}

func noop(context.Context, kafka.Message) error { return nil }

func run[T any](b *testing.B, s stream.Stream[T], opts ...stream.Option) {
	b.Helper()
	if err := s.Run(context.Background(), opts...); err != nil {
		b.Fatal(err)
	}
}

// steps are called through a variable, so that calling them directly is a call as well.
var steps = []func(context.Context, kafka.Message) (kafka.Message, error){add(1), add(2)}

// direct is what the same work costs without a pipeline: messages made in chunks, two functions called on each, a sum at the end.
func direct(n int) time.Duration {
	var sum int64
	f, g := steps[0], steps[1]
	ctx := context.Background()
	x, now := uint64(88172645463325252), time.Now()
	start := time.Now()
	for off := 0; off < n; {
		c := make([]kafka.Message, min(256, n-off))
		for i := range c {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			c[i] = kafka.Message{Topic: "orders", Offset: int64(off + i), Key: keys[x%1000], Value: keys[0], Time: now}
		}
		for i := range c {
			m, _ := f(ctx, c[i])
			m, _ = g(ctx, m)
			sum += m.Offset
		}
		off += len(c)
	}
	took := time.Since(start)
	if sum == 0 {
		panic("no work was done")
	}
	return took
}

// BenchmarkFused: source → Map → Map → sum, one boundary; +ns/elem is what it costs over calling the two functions directly.
func BenchmarkFused(b *testing.B) {
	b.ReportAllocs()
	floor := direct(b.N)
	b.ResetTimer()
	defer reportCPU(b)()
	var sum int64
	run(b, messages(b.N).Map(steps[0]).Map(steps[1]).Filter(func(m kafka.Message) bool { sum += m.Offset; return true }))
	b.ReportMetric(float64(floor.Nanoseconds())/float64(b.N), "direct-ns/elem")
	b.ReportMetric(float64((b.Elapsed()-floor).Nanoseconds())/float64(b.N), "+ns/elem")
}

// BenchmarkHop: source → end, one boundary and no step.
func BenchmarkHop(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).GroupByPartition())
}

// BenchmarkKeyed: GroupByKey, 64 at a time, 1,000 keys, a handler that does nothing.
func BenchmarkKeyed(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).GroupByKey().Concurrent(64, noop))
}

// BenchmarkKeyedCommitted is the same with a commit below it.
func BenchmarkKeyedCommitted(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).GroupByKey().Concurrent(64, noop).CommitEvery(1000, time.Second))
}

// BenchmarkTwoStages: a second stage in the same grouping.
func BenchmarkTwoStages(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).GroupByKey().Concurrent(64, noop).Concurrent(64, noop))
}

// BenchmarkUnordered: 64 at a time without order.
func BenchmarkUnordered(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).Concurrent(64, noop))
}

// BenchmarkSink: To a sink that does nothing, per partition.
func BenchmarkSink(b *testing.B) {
	b.ReportAllocs()
	defer reportCPU(b)()
	run(b, messages(b.N).To(nowhere{}))
}

type nowhere struct{}

func (nowhere) Write(context.Context, []stream.Out[kafka.Message]) error { return nil }

// BenchmarkRetryParked: 20,000 elements of 1 ms, 64 at a time, of which 5 % fail once and wait 20 ms; x is the time over the same without failures.
func BenchmarkRetryParked(b *testing.B) {
	work := func(fail bool) time.Duration {
		failed := make([]bool, 20000)
		start := time.Now()
		run(b, messages(20000).Concurrent(64, func(_ context.Context, m kafka.Message) error {
			time.Sleep(time.Millisecond)
			if fail && m.Offset%20 == 0 && !failed[m.Offset] {
				failed[m.Offset] = true
				return errOnce
			}
			return nil
		}).RetryOnError(stream.RetryPolicy{Backoff: func(int) time.Duration { return 20 * time.Millisecond }}))
		return time.Since(start)
	}
	var without, with time.Duration
	for range b.N {
		without += work(false)
		with += work(true)
	}
	b.ReportMetric(float64(with)/float64(without), "x")
}

// BenchmarkFloor: 20,000 elements of 1 ms, 1,000 keys, 64 at a time; x is the time over 64 goroutines that sleep as often.
func BenchmarkFloor(b *testing.B) {
	var floor, took time.Duration
	for range b.N {
		floor += sleepers(20000, 64)
		start := time.Now()
		run(b, messages(20000).GroupByKey().Concurrent(64, func(context.Context, kafka.Message) error {
			time.Sleep(time.Millisecond)
			return nil
		}))
		took += time.Since(start)
	}
	b.ReportMetric(float64(took)/float64(floor), "x")
}
