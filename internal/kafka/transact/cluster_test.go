package transact

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Three real brokers. The test kills (kill -9) the leader of the written partitions and the
// coordinator of the transactions, while a producer and a transactor write.
func TestKilledLeadersRealKafka(t *testing.T) {
	nodes := kafkatest.OwnCluster(t)
	k := kafkatest.At(t, nodes[0].Brokers)
	w := &world{Kafka: k, in: k.Replicated(2, 3), out: k.Replicated(3, 3), group: kafkatest.Name("group")}
	id, plain := kafkatest.Name("tx"), k.Replicated(3, 3)
	tx := w.open(t, id, nil, func(c *Config) { c.Timeout, c.Produce.DeliveryTimeout = 3*time.Minute, 2*time.Minute })
	c := wire.New(wire.Config{Brokers: k.Brokers})
	defer c.Close()
	out := produce.New(produce.Config{Client: c, BatchBytes: 100_000, DeliveryTimeout: 2 * time.Minute, UnknownTopicTimeout: time.Minute})
	if err := out.Open(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	defer out.Close()

	var committed, written atomic.Int64
	moved := make(chan struct{}, 1) // one of them rose, or its goroutine ended
	note := func() {
		select {
		case moved <- struct{}{}:
		default:
		}
	}
	stop := make(chan struct{})
	going := func() bool {
		select {
		case <-stop:
			return false
		default:
			return !t.Failed()
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer note()
		for n := 0; going(); n += 10 {
			w.commit(t, tx, n, n+10)
			committed.Add(10)
			note()
		}
	})
	wg.Go(func() {
		defer note()
		for n := 0; going(); n += 10 {
			failed, err := out.Write(t.Context(), 10, plain, func(i int) *kafka.Message {
				return &kafka.Message{Key: fmt.Append(nil, "key ", (n+i)%3), Value: fmt.Append(nil, n+i)}
			})
			if err != nil || len(failed) > 0 {
				t.Errorf("%v %v", failed, err)
			}
			written.Add(10)
			note()
		}
	})
	proceed := func() {
		c, p := committed.Load(), written.Load()
		late := time.After(2 * time.Minute)
		for (committed.Load() < c+50 || written.Load() < p+50) && !t.Failed() {
			select {
			case <-moved:
			case <-late:
				t.Errorf("%d committed and %d written in two minutes",
					committed.Load()-c, written.Load()-p)
			}
		}
	}
	proceed()
	for what, node := range map[string]func() int32{
		"leader":      func() int32 { return leader(t, k, plain) },
		"coordinator": func() int32 { return coordinator(t, k, id) },
	} {
		n, began := node(), time.Now()
		nodes[n-1].Kill()
		proceed()
		t.Logf("the %s, node %d, was killed; everything continued after %v", what, n, time.Since(began).Round(time.Millisecond))
		nodes[n-1].Start()
		proceed()
	}
	close(stop)
	wg.Wait()
	if t.Failed() {
		return
	}
	w.exactly(t, int(committed.Load()))
	next := map[string]int64{"key 0": 0, "key 1": 1, "key 2": 2}
	for _, r := range k.Records(plain) {
		if string(r.Value) != fmt.Sprint(next[string(r.Key)]) {
			t.Fatalf("%s: %s, want %d", r.Key, r.Value, next[string(r.Key)])
		}
		next[string(r.Key)] += 3
	}
	for key, n := range next {
		if n < written.Load() {
			t.Errorf("%s ends before %d, but %d were written", key, n, written.Load())
		}
	}
	t.Logf("%d committed, %d written", committed.Load(), written.Load())
}

func leader(t *testing.T, k *kafkatest.Kafka, topic string) int32 {
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(within(t, time.Minute), k.Client)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Topics[0].Partitions[0].Leader
}

func coordinator(t *testing.T, k *kafkatest.Kafka, id string) int32 {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys, req.CoordinatorType = id, []string{id}, 1
	resp, err := req.RequestWith(within(t, time.Minute), k.Client)
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.Coordinators) > 0 {
		return resp.Coordinators[0].NodeID
	}
	return resp.NodeID
}
