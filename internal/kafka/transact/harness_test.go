package transact

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// protocols runs a test with both transaction protocols of the fake.
func protocols(t *testing.T, test func(t *testing.T, w *world)) {
	for name, opts := range map[string][]kfake.Opt{"version 2": nil, "before": {kfake.MaxVersions(kversion.V3_6_0())}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, k, transport := kafkatest.Virtual(t, append(opts, kfake.NumBrokers(2), kfake.Ports(9092, 9093))...)
				w := worldAt(k)
				w.fake, w.transport, w.implicit = c, transport, name == "version 2"
				test(t, w)
			})
		})
	}
}

// world holds the two ends of a chain: the topic of the offsets, and the topic of the results.
type world struct {
	*kafkatest.Kafka
	fake      *kfake.Cluster
	transport *kafka.Transport // reaches the fake; nil: a real Kafka
	implicit  bool             // the protocol of the fake
	in, out   string
	group     string
}

func newWorld(t *testing.T, brokers []string) *world {
	return worldAt(kafkatest.At(t, brokers))
}

func worldAt(k *kafkatest.Kafka) *world {
	return &world{Kafka: k, in: k.Topic(2), out: k.Topic(3), group: kafkatest.Name("group")}
}

func (w *world) open(t *testing.T, id string, transport *kafka.Transport, change func(*Config)) *Transactor {
	t.Helper()
	if transport == nil {
		transport = w.transport
	}
	c := wire.New(wire.Config{Brokers: w.Brokers, Transport: transport})
	t.Cleanup(c.Close)
	cfg := Config{Client: c, ID: id, Timeout: 30 * time.Second, Produce: produce.Config{BatchBytes: 100_000, DeliveryTimeout: 20 * time.Second, UnknownTopicTimeout: 5 * time.Second}}
	if change != nil {
		change(&cfg)
	}
	tx := New(cfg)
	if err := tx.Open(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Close)
	return tx
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// txn returns the transaction of the inputs [from, next): a result for each, over three keys.
func (w *world) txn(from, next int) Txn {
	msgs := make([]kafka.Message, next-from)
	for i := range msgs {
		msgs[i] = kafka.Message{Key: fmt.Append(nil, "key ", (from+i)%3), Value: fmt.Append(nil, from+i)}
	}
	return Txn{N: len(msgs), At: func(i int) *kafka.Message { return &msgs[i] }, Topic: w.out,
		Shares: []Share{{Group{Name: w.group, Generation: -1}, map[wire.TopicPartition]Position{{Topic: w.in, Partition: 1}: {Offset: int64(next)}}}}}
}

// commit acts like a pipeline: it retries until the transaction is committed, and asks the group
// when that is in doubt.
func (w *world) commit(t *testing.T, tx *Transactor, from, next int) {
	t.Helper()
	for {
		err := tx.Commit(within(t, 3*time.Minute), w.txn(from, next))
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrDoubt):
			if w.stored(t, tx) >= int64(next) {
				return
			}
		default:
			t.Fatalf("[%d, %d): %v", from, next, err)
		}
	}
}

func (w *world) stored(t *testing.T, tx *Transactor) int64 {
	t.Helper()
	tp := wire.TopicPartition{Topic: w.in, Partition: 1}
	at, err := tx.Offsets(within(t, time.Minute), w.group, []wire.TopicPartition{tp})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := at[tp]; ok {
		return p.Offset
	}
	return -1
}

// exactly checks that a read_committed reader sees the result of each of the first n inputs once
// and in order by key, and that the group has stored n.
func (w *world) exactly(t *testing.T, n int) {
	t.Helper()
	last, seen := map[string]int{}, map[int]int{}
	for _, r := range w.Records(w.out) {
		var v int
		if _, err := fmt.Sscan(string(r.Value), &v); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[string(r.Key)]; ok && v <= before {
			t.Errorf("%s: %d after %d", r.Key, v, before)
		}
		last[string(r.Key)] = v
		seen[v]++
	}
	for i := range n {
		if seen[i] != 1 {
			t.Errorf("the result of %d was written %d times", i, seen[i])
		}
	}
	if len(seen) != n {
		t.Errorf("results of %d inputs, want %d", len(seen), n)
	}
	if n > 0 && w.Committed(w.group, w.in)[1] != int64(n) {
		t.Errorf("stored: %v, want %d", w.Committed(w.group, w.in), n)
	}
}

// leaveOpen leaves a transaction written but not ended.
func (w *world) leaveOpen(t *testing.T, tx *Transactor, from, next int) {
	t.Helper()
	tx.out.Begin(tx.id, tx.epoch, tx.implicit)
	if err := tx.write(within(t, time.Minute), w.txn(from, next)); err != nil {
		t.Fatal(err)
	}
	if err := tx.offsets(within(t, time.Minute), w.txn(from, next).Shares); err != nil {
		t.Fatal(err)
	}
}
