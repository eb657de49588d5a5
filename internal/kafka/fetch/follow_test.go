package fetch

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// advising is a Client whose leaders refer readers to a replica, like brokers with a rack-aware
// replica selector.
type advising struct {
	*wire.Client
	leader, replica int32
	follow          atomic.Bool
	followed        atomic.Int64 // responses of the replica with records
}

func (c *advising) Fetch(ctx context.Context, id int32, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	resp, release, err := c.Client.Fetch(ctx, id, req)
	if err != nil {
		return nil, nil, err
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			switch {
			case id == c.replica && len(p.RecordBatches) > 0:
				c.followed.Add(1)
			case id == c.leader && c.follow.Load() && p.ErrorCode == 0:
				p.PreferredReadReplica, p.RecordBatches = c.replica, nil
			}
		}
	}
	return resp, release, nil
}

func TestFollowReplica(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"))
	leader := k.LeaderFor("orders", 0)
	replica := 1 - leader
	k.SetFollowers("orders", 0, []int32{replica})
	prod := producer(t, k)
	write(t, prod, "orders", 0, 50)
	var c *advising
	w := start(t, k, func(cfg *Config) {
		c = &advising{Client: cfg.Client.(*wire.Client), leader: leader, replica: replica}
		c.follow.Store(true)
		cfg.Client, cfg.Rack = c, "here"
	}, "orders")
	p := part0(0, plenty)
	w.f.Add(wire.PartitionOf("orders", 0), p)
	p.untilRecords(t, 50)
	if c.followed.Load() == 0 {
		t.Error("nothing was read from the replica")
	}
	c.follow.Store(false)
	k.SetFollowers("orders", 0, nil)
	write(t, prod, "orders", 0, 50)
	p.untilRecords(t, 100)
}

func TestBatchesLargerThanAFetch(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}))
	if err := k.CreateTopic("large", 3, map[string]string{"max.message.bytes": "20000000"}); err != nil {
		t.Fatal(err)
	}
	prod := producer(t, k, kgo.ProducerBatchMaxBytes(16<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	w := start(t, k, nil, "large")
	for i := range 3 {
		for range 3 {
			if err := prod.ProduceSync(t.Context(), &kgo.Record{Topic: "large", Partition: int32(i), Value: make([]byte, 3<<20+i)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 3 {
		p := part0(0, plenty)
		w.f.Add(wire.PartitionOf("large", i), p)
		defer p.untilRecords(t, 3)
	}
}

func TestHundredsOfPartitions(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(300, "many"))
	prod := producer(t, k)
	var recs []*kgo.Record
	for p := range 300 {
		for i := range 20 {
			recs = append(recs, &kgo.Record{Topic: "many", Partition: int32(p), Value: fmt.Append(nil, i)})
		}
	}
	if err := prod.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w := start(t, k, nil, "many")
	for i := range 300 {
		p := part0(0, plenty)
		w.f.Add(wire.PartitionOf("many", i), p)
		defer p.untilRecords(t, 20)
	}
}
