package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// copied is a worker that copies a topic to another, a transaction at a time.
func copied(k *kafkatest.Kafka, in, out, group string) stream.Stream[kafka.Message] {
	return source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{in}, SessionTimeout: 3 * time.Second, HeartbeatInterval: 100 * time.Millisecond}).
		GroupByKey().
		MapConcurrent(8, func(_ context.Context, m kafka.Message) (kafka.Message, error) {
			m.Value = append(slices.Clone(m.Value), '!')
			return m, nil
		}).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, "copy"), 50, 20*time.Millisecond)
}

// numbers fills the four partitions of a topic with n records and returns the values of a correct
// copy.
func numbers(k *kafkatest.Kafka, in string, n int) (want []string) {
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Partition: int32(i % 4), Key: fmt.Append(nil, "key ", i%20), Value: fmt.Appendf(nil, "%06d", i)})
		want = append(want, fmt.Sprintf("%06d!", i))
	}
	k.Produce(in, records...)
	return want
}

func exactly(t *testing.T, k *kafkatest.Kafka, out string, want []string) {
	t.Helper()
	records := k.Records(out)
	if vs := values(records); !slices.Equal(vs, want) {
		t.Errorf("%d results, %d of them different, want %d", len(vs), len(slices.Compact(vs)), len(want))
	}
	last := map[string]string{}
	for _, r := range records {
		if string(r.Value) < last[string(r.Key)] {
			t.Errorf("%s: %s after %s", r.Key, r.Value, last[string(r.Key)])
		}
		last[string(r.Key)] = string(r.Value)
	}
}

func TestKafkaTransaction(t *testing.T) {
	t.Run("copies exactly once through rebalances and faults", func(t *testing.T) {
		for name, opts := range map[string][]kfake.Opt{"version 2": nil, "before": {kfake.MaxVersions(kversion.V3_6_0())}} {
			t.Run(name, func(t *testing.T) {
				c := kafkatest.Fake(t, append(opts, kfake.NumBrokers(2))...)
				k := kafkatest.At(t, c.ListenAddrs())
				in, out, group := k.Topic(4), k.Topic(3), kafkatest.Name("group")
				want := numbers(k, in, 4000)
				for _, f := range []kfake.Fault{
					{Keys: []kmsg.Key{kmsg.Produce}, Topic: out, Err: kerr.NotLeaderForPartition, Count: 3}, {Keys: []kmsg.Key{kmsg.Produce}, Topic: out, Err: kerr.InvalidTxnState, Count: 2},
					{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ConcurrentTransactions, Count: 3}, {Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 3},
				} {
					c.Fault(f)
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var workers sync.WaitGroup
				work := func(ctx context.Context) {
					if err := copied(k, in, out, group).RetryOnError(stream.RetryPolicy{MaxAttempts: 10}).Run(ctx); err != nil {
						t.Error(err)
					}
				}
				workers.Go(func() { work(ctx) })
				for range 3 { // other workers join and leave
					other, leave := context.WithCancel(ctx)
					var wg sync.WaitGroup
					wg.Go(func() { work(other) })
					k.WaitMembers(group, 2)
					leave()
					wg.Wait()
				}
				k.WaitCommitted(group, in, map[int32]int64{0: 1000, 1: 1000, 2: 1000, 3: 1000})
				stop()
				workers.Wait()
				exactly(t, k, out, want)
			})
		}
	})
	t.Run("restores the offsets of a source that has a name", func(t *testing.T) {
		c := kafkatest.Fake(t, kfake.MaxVersions(kversion.V3_6_0())) // which store no topic id of their own
		k := kafkatest.At(t, c.ListenAddrs())
		in, out := k.Topic(1), k.Topic(1)
		id := stream.TopicID(c.TopicInfo(in).TopicID)
		tx := sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, "copy")
		if err := tx.(stream.Opener).Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer tx.(stream.Closer).Close(context.Background())
		tp := stream.TopicPartition{Topic: in, Partition: 0, Source: "eu"}
		err := tx.Commit(t.Context(), stream.Txn[kafka.Message]{
			Elems:   []stream.Out[kafka.Message]{{Value: kafka.Message{Value: []byte("a")}}},
			Offsets: map[stream.TopicPartition]stream.OffsetRange{tp: {From: 0, Next: 5, TopicID: id}},
			Groups:  map[string]stream.GroupMetadata{"eu": {Group: kafkatest.Name("group"), Generation: -1}},
		})
		if err != nil {
			t.Fatal(err)
		}
		at, err := tx.Restore(t.Context(), map[stream.TopicPartition]stream.TopicID{tp: id})
		if err != nil || at[tp].Offset != 5 || at[tp].TopicID != id {
			t.Errorf("%v, %v, want offset 5 of %v and topic id %v", at, err, tp, id)
		}
	})
	t.Run("halts the partition of a record that cannot be written", func(t *testing.T) {
		c := kafkatest.Fake(t)
		k := kafkatest.At(t, c.ListenAddrs())
		in, out, group := k.Topic(2), k.Topic(1), kafkatest.Name("group")
		k.Produce(in, &kgo.Record{Partition: 0, Value: make([]byte, 20_000)}, &kgo.Record{Partition: 1, Value: []byte("fine")})
		halted := make(chan struct{}, 1)
		p, err := source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{in}}).
			CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out, BatchBytes: 10_000}, "copy"), 2, 20*time.Millisecond).
			RetryOnError(stream.RetryPolicy{MaxAttempts: 3}).HaltOnError().
			Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
				if _, ok := e.(stream.Halted); ok {
					halted <- struct{}{}
				}
			}}))
		if err != nil {
			t.Fatal(err)
		}
		stop := running(t, p)
		k.WaitCommitted(group, in, map[int32]int64{1: 1})
		<-halted // the partitions may come in two transactions
		var large *kafkaerr.TooLargeError
		hs := p.Halts()
		if len(hs) != 1 || hs[0].Meta.Partition != 0 || !errors.As(hs[0].Err, &large) || hs[0].Attempts != 1 {
			t.Fatalf("halts: %v", hs)
		}
		if err := p.Skip(hs[0]); err != nil {
			t.Fatal(err)
		}
		k.WaitCommitted(group, in, map[int32]int64{0: 1, 1: 1})
		stop()
		if vs := values(k.Records(out)); !slices.Equal(vs, []string{"fine"}) {
			t.Errorf("written: %v", vs)
		}
	})
	t.Run("reports all faults of its configuration", func(t *testing.T) {
		tx := sink.KafkaTransaction(sink.KafkaConfig{DeliveryTimeout: time.Minute}, "")
		err := tx.(interface{ Check() error }).Check()
		for _, want := range []string{"no broker", "prefix", "TransactionTimeout is 30s, DeliveryTimeout is 1m0s"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
		long := sink.KafkaTransaction(sink.KafkaConfig{Brokers: []string{"a:1"}, TransactionTimeout: 720 * time.Hour}, "copy")
		if err := long.(interface{ Check() error }).Check(); err == nil || !strings.Contains(err.Error(), "TransactionTimeout is 720h0m0s: Kafka counts it in milliseconds") {
			t.Error(err)
		}
		if err := sink.KafkaTransaction(sink.KafkaConfig{Brokers: []string{"a:1"}}, "copy").(interface{ Check() error }).Check(); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(sink.KafkaTransaction(sink.KafkaConfig{Topic: "out"}, "copy")); got != "kafka transaction copy out" {
			t.Error(got)
		}
	})
	t.Run("needs a group", func(t *testing.T) {
		c := kafkatest.Fake(t)
		err := source.Slice(messages("1")...).CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: c.ListenAddrs(), Topic: "out", UnknownTopicTimeout: time.Millisecond}, "copy"), 1, 0).Run(t.Context())
		if err == nil {
			t.Error("a source without a group was accepted")
		}
	})
	// Two chains would end each other's transactions. Running a chain again is allowed.
	t.Run("is open in one chain at a time", func(t *testing.T) {
		c := kafkatest.Fake(t)
		tx := sink.KafkaTransaction(sink.KafkaConfig{Brokers: c.ListenAddrs()}, "copy").(interface {
			Open(context.Context) error
			Close(context.Context) error
		})
		for range 2 {
			if err := tx.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := tx.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "another chain") {
				t.Errorf("opened twice: %v", err)
			}
			if err := tx.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// running runs a pipeline until stop is called, which waits for its end.
func running(t *testing.T, p *stream.Pipeline) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}
