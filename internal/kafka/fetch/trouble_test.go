package fetch

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refused reads a topic of 10 records in each partition from offset 5 on. Each partition but the
// last one is answered with a code of its own, that many times.
func refused(t *testing.T, count int, onTrouble func(wire.TopicPartition, error), codes ...*kerr.Error) (parts []*sinkPart, faults *kfake.FaultHandle) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(int32(len(codes)+1), "orders"))
	prod := producer(t, k)
	var fs []kfake.Fault
	for i, code := range codes {
		fs = append(fs, kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Partitions: []int32{int32(i)}, Err: code, Count: count})
	}
	faults = k.Fault(fs...)
	w := start(t, k, func(c *Config) {
		c.OnTrouble = onTrouble
		c.OnReset = func(tp wire.TopicPartition, from, to int64, _ bool) { t.Errorf("%v moved from %d to %d", tp, from, to) }
	}, "orders")
	for i := range len(codes) + 1 {
		write(t, prod, "orders", int32(i), 10)
		parts = append(parts, part0(5, plenty))
		w.f.Add(wire.PartitionOf("orders", i), parts[i])
	}
	return parts, faults
}

func TestTrouble(t *testing.T) {
	codes := []*kerr.Error{kerr.KafkaStorageError, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.UnknownServerError,
		kerr.OffsetOutOfRange, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.ReplicaNotAvailable, kerr.NetworkException,
		kerr.InvalidTopicException, kerr.ListenerNotFound, kerr.LogDirNotFound, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable,
		kerr.UnknownTopicID, kerr.InconsistentTopicID, {Message: "LATER", Code: 9999}}
	troubles := make([]chan error, len(codes))
	for i := range troubles {
		troubles[i] = make(chan error, 10)
	}
	parts, faults := refused(t, -1, func(tp wire.TopicPartition, err error) { troubles[tp.Partition] <- err }, codes...)
	parts[len(codes)].untilRecords(t, 5) // the others delay it not
	for i, code := range codes {
		if err := <-troubles[i]; !errors.Is(err, wire.Code(code.Code)) {
			t.Errorf("%v is reported as %v", code, err)
		}
	}
	faults.Remove()
	for i, code := range codes {
		if err := <-troubles[i]; err != nil {
			t.Errorf("the end of %v is reported as %v", code, err)
		}
		parts[i].untilRecords(t, 5)
	}
}

// Records that a broker cannot return halt their partition, unless that passes.
func TestRecordsThatABrokerCannotReturn(t *testing.T) {
	codes := []*kerr.Error{kerr.CorruptMessage, kerr.UnsupportedCompressionType}
	for _, count := range []int{1, -1} {
		t.Run(fmt.Sprintf("answered %d times", count), func(t *testing.T) {
			start := time.Now()
			parts, _ := refused(t, count, nil, codes...)
			parts[len(codes)].untilRecords(t, 5)
			for i, code := range codes {
				p := parts[i]
				if count > 0 {
					p.untilRecords(t, 5)
					continue
				}
				p.until(t, "the halt", func() bool { return p.halt != nil })
				if took := time.Since(start); !errors.Is(p.halt, wire.Code(code.Code)) || p.resume != 6 || took < TroubleAfter {
					t.Errorf("halted after %v: %v, until %d", took, p.halt, p.resume)
				}
			}
		})
	}
}
