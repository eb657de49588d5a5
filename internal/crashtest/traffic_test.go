package crashtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

const (
	partitions = 8
	keyCount   = 12 // per partition
)

// traffic writes records at a steady rate, so that there is always work.
type traffic struct {
	k      *kafkatest.Kafka
	topic  string
	value  func(partition, n int) string
	keys   [][]string // of written records, by partition and offset
	stop   context.CancelFunc
	writer conc.WaitGroup
	err    error // written before writer.Wait returns
}

// flow starts to write rate records per second over all partitions.
func flow(t *testing.T, k *kafkatest.Kafka, topic string, rate int, value func(partition, n int) string) *traffic {
	ctx, stop := context.WithCancel(context.Background())
	f := &traffic{k: k, topic: topic, value: value, keys: make([][]string, partitions), stop: stop}
	f.writer.Go(func() { f.err = f.run(ctx, rate) })
	t.Cleanup(func() {
		stop()
		f.writer.Wait()
	})
	return f
}

func (f *traffic) run(ctx context.Context, rate int) error {
	tick := time.NewTicker(time.Second * partitions / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		var recs []*kgo.Record
		for p := range partitions {
			key := fmt.Sprintf("k%d", n*n%keyCount)
			f.keys[p] = append(f.keys[p], key)
			recs = append(recs, &kgo.Record{Topic: f.topic, Partition: int32(p), Key: []byte(key), Value: []byte(f.value(p, n))})
		}
		if err := f.k.Client.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// end stops writing and returns the end of each partition.
func (f *traffic) end(t *testing.T) map[int32]int64 {
	t.Helper()
	f.stop()
	f.writer.Wait()
	if f.err != nil {
		t.Fatalf("writing: %v", f.err)
	}
	ends := map[int32]int64{}
	for p, keys := range f.keys {
		ends[int32(p)] = int64(len(keys))
	}
	return ends
}
