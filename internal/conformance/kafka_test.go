package conformance_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/laneway-go/laneway/internal/conformance"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func TestKafka(t *testing.T) {
	conformance.Run(t, conformance.Backend{Gaps: true, FailCommits: true, Rereads: true, Open: func(t *testing.T, partitions int) conformance.Log {
		c := kafkatest.Fake(t)
		l := open(t, c.ListenAddrs(), partitions)
		c.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if l.refuse.Add(-1) < 0 {
				return nil, nil, false
			}
			return refused(req.(*kmsg.OffsetCommitRequest)), nil, true
		})
		return l
	}})
}

func TestRealKafka(t *testing.T) {
	brokers := kafkatest.Real(t)
	conformance.Run(t, conformance.Backend{Gaps: true, Rereads: true, Open: func(t *testing.T, partitions int) conformance.Log {
		return open(t, brokers, partitions)
	}})
}

// refused responds to a commit like a coordinator that is loading its group.
func refused(req *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, kerr.CoordinatorLoadInProgress.Code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// cluster is a topic on a Kafka, with a group.
type cluster struct {
	t *testing.T
	*kafkatest.Kafka
	topic, group string
	tx           *kgo.Client
	ends         []int64
	refuse       atomic.Int64 // number of commits to refuse
}

func open(t *testing.T, brokers []string, partitions int) *cluster {
	k := kafkatest.At(t, brokers)
	return &cluster{t: t, Kafka: k, topic: k.Topic(partitions), group: kafkatest.Name("conformance"), ends: make([]int64, partitions)}
}

func (c *cluster) Append(partition int, key string, values ...string) {
	for _, v := range values {
		c.Produce(c.topic, &kgo.Record{Partition: int32(partition), Key: []byte(key), Value: []byte(v)})
		c.ends[partition]++
	}
}

// Gap adds an aborted transaction: its records and its marker.
func (c *cluster) Gap(partition int, n int) {
	c.t.Helper()
	if c.tx == nil {
		var err error
		if c.tx, err = kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(kafkatest.Name("tx"))); err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(c.tx.Close)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	err := c.tx.BeginTransaction()
	for i := 0; err == nil && i < n; i++ {
		err = c.tx.ProduceSync(ctx, &kgo.Record{Topic: c.topic, Partition: int32(partition), Value: []byte("aborted " + strconv.Itoa(i))}).FirstErr()
	}
	if err == nil {
		err = c.tx.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		c.t.Fatalf("aborting a transaction: %v", err)
	}
	c.ends[partition] += int64(n) + 1
}

func (c *cluster) End(partition int) int64 { return c.ends[partition] }

func (c *cluster) Committed(partition int) int64 {
	c.t.Helper()
	if at, ok := c.Kafka.Committed(c.group, c.topic)[int32(partition)]; ok {
		return at
	}
	return -1
}

func (c *cluster) Recreate() {
	c.Kafka.Recreate(c.topic, len(c.ends))
	clear(c.ends)
}

func (c *cluster) FailCommits(n int) { c.refuse.Store(int64(n)) }

func (c *cluster) Member() conformance.Member { return c }

// Source, Join and Left make the cluster each of its members. The group does the rest.
func (c *cluster) Source(string) (stream.Stream[kafka.Message], []stream.Option) {
	return source.Kafka(source.KafkaConfig{Brokers: c.Brokers, Group: c.group, Topics: []string{c.topic},
		HeartbeatInterval: 100 * time.Millisecond, MaxWait: 100 * time.Millisecond}), nil
}

func (c *cluster) Join() {}
func (c *cluster) Left() {}
