package fetch

import (
	"errors"
	"testing"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type trouble struct {
	tp  wire.TopicPartition
	err error
}

func TestTrouble(t *testing.T) {
	for name, code := range map[string]*kerr.Error{"a disk error": kerr.KafkaStorageError, "missing permission": kerr.TopicAuthorizationFailed} {
		t.Run("reports "+name+", and does not delay other partitions", func(t *testing.T) {
			k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
			prod := producer(t, k)
			f := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Partitions: []int32{0}, Err: code, Count: -1})
			reported := make(chan trouble, 10)
			w := start(t, k, func(c *Config) {
				c.OnTrouble = func(tp wire.TopicPartition, err error) { reported <- trouble{tp, err} }
			}, "orders")
			bad, good := part0(0, plenty), part0(0, plenty)
			w.f.Add(wire.PartitionOf("orders", 0), bad)
			w.f.Add(wire.PartitionOf("orders", 1), good)
			if at := <-reported; at.tp != (wire.PartitionOf("orders", 0)) || !errors.Is(at.err, wire.Code(code.Code)) {
				t.Fatalf("reported: %+v", at)
			}
			write(t, prod, "orders", 0, 10)
			write(t, prod, "orders", 1, 10)
			good.untilRecords(t, 10)
			f.Remove()
			if at := <-reported; at != (trouble{wire.PartitionOf("orders", 0), nil}) {
				t.Fatalf("reported: %+v", at)
			}
			bad.untilRecords(t, 10)
		})
	}
}
