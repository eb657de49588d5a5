package bench

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/stream"
)

// keepsNothing is a Transactor that stores nothing: what is left is what holding results back costs.
type keepsNothing struct{}

func (keepsNothing) Restore(context.Context, map[stream.TopicPartition]stream.TopicID) (map[stream.TopicPartition]stream.Position, error) {
	return nil, nil
}
func (keepsNothing) Commit(context.Context, stream.Txn[kafka.Message]) error { return nil }

// BenchmarkTransact: GroupByKey, 64 at a time, into transactions of 1,000; +ns/elem is what CommitWith costs over CommitEvery.
func BenchmarkTransact(b *testing.B) {
	b.ReportAllocs()
	start := time.Now()
	run(b, messages(b.N).GroupByKey().Concurrent(64, noop).CommitEvery(1000, time.Second))
	least := time.Since(start)
	b.ResetTimer()
	defer reportCPU(b)()
	run(b, messages(b.N).GroupByKey().Concurrent(64, noop).CommitWith(keepsNothing{}, 1000, time.Second))
	b.ReportMetric(float64(least.Nanoseconds())/float64(b.N), "least-ns/elem")
	b.ReportMetric(float64((b.Elapsed()-least).Nanoseconds())/float64(b.N), "+ns/elem")
}

// BenchmarkTransactOne: transactions of one record, on one partition.
func BenchmarkTransactOne(b *testing.B) {
	b.ReportAllocs()
	run(b, messages(b.N).GroupByPartition().CommitWith(keepsNothing{}, 1, 0))
}
