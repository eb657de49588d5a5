package fetch

import (
	"sync"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Records that Next jumps over are not fed. They are not fetched either, unless they were fetched
// before the jump.
func TestJump(t *testing.T) {
	for name, c := range map[string]struct {
		room int   // which bounds the first fetch
		to   int64 // after the first chunk
		most int   // bytes fetched of a log of 1.2 MB
	}{
		"within the open batch":      {2500, 300, 1_400_000},
		"within the fetched records": {2500, 2000, 1_400_000},
		"beyond the fetched records": {400, 9990, 500_000},
		"to the end of the log":      {400, 10_000, 500_000},
	} {
		t.Run(name, func(t *testing.T) {
			k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			// in batches of a thousand records
			prod := producer(t, k, kgo.ProducerBatchCompression(kgo.NoCompression()))
			for range 10 {
				write(t, prod, "orders", 0, 1000)
			}
			var mu sync.Mutex
			var asked []int64
			fetched := 0
			w := start(t, k, func(cfg *Config) {
				cfg.Client = tampered{cfg.Client, func(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
					mu.Lock()
					defer mu.Unlock()
					asked = append(asked, req.Topics[0].Partitions[0].FetchOffset)
					for _, t := range resp.Topics {
						fetched += len(t.Partitions[0].RecordBatches)
					}
				}}
			}, "orders")
			p := part0(0, c.room)
			p.jump = map[int64]int64{chunk: c.to}
			w.f.Add(wire.PartitionOf("orders", 0), p)
			p.until(t, "the jump", func() bool { return p.next >= c.to })
			p.mu.Lock()
			p.room = plenty
			p.mu.Unlock()
			w.f.Wake(wire.PartitionOf("orders", 0))
			write(t, prod, "orders", 0, 1)
			p.untilRecords(t, chunk+int(10_001-c.to))
			if p.msgs[chunk].Offset != c.to {
				t.Errorf("the offset after the jump is %d", p.msgs[chunk].Offset)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, at := range asked {
				if at >= chunk && at < c.to {
					t.Errorf("fetched at %d", asked)
				}
			}
			if fetched > c.most {
				t.Errorf("fetched %d bytes", fetched)
			}
		})
	}
}

// The epoch of a Feed is that of the leader that appended the records.
func TestFeedLeaderEpoch(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 0, 10)
	w := start(t, k, nil, "orders")
	p := part0(0, plenty)
	w.f.Add(wire.PartitionOf("orders", 0), p)
	p.untilRecords(t, 10)
	before := p.epoch
	if err := k.MoveTopicPartition("orders", 0, 1-k.LeaderFor("orders", 0)); err != nil {
		t.Fatal(err)
	}
	write(t, prod, "orders", 0, 10)
	p.untilRecords(t, 20)
	if is := k.PartitionInfo("orders", 0).Epoch; before < 0 || p.epoch <= before || p.epoch != is {
		t.Errorf("fed epochs %d and %d, want %d", before, p.epoch, is)
	}
}
