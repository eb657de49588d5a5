package fetch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRecreatedTopic(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 0, 50)
	recreated := make(chan [16]byte, 1)
	refused := errors.New("not yet")
	w := start(t, k, func(c *Config) {
		c.OnRecreated = func(_ context.Context, tp wire.TopicPartition, id [16]byte) (err error) {
			err, refused = refused, nil
			if err == nil {
				recreated <- id
			}
			return err
		}
	}, "orders")
	p := part0(0, plenty)
	w.f.Add(wire.PartitionOf("orders", 0), p)
	p.untilRecords(t, 50)
	if err := k.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	write(t, producer(t, k), "orders", 0, 70)
	id := <-recreated
	w.f.Remove(wire.PartitionOf("orders", 0))
	n := part0(0, plenty)
	n.topic = id
	w.f.Add(wire.PartitionOf("orders", 0), n)
	n.untilRecords(t, 70)
	if len(p.msgs) != 50 {
		t.Errorf("%d records of the old topic were fed, want 50", len(p.msgs))
	}
}

func TestUnknownTopicTimeout(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	w := start(t, k, func(c *Config) { c.UnknownTopicTimeout = 300 * time.Millisecond }, "orders")
	w.f.Add(wire.PartitionOf("orders", 0), part0(0, plenty))
	if err := k.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	var e *kafkaerr.TopicError
	if err := w.result(); !errors.As(err, &e) || e.Topic != "orders" || !errors.Is(err, wire.UnknownTopicOrPartition) {
		t.Fatalf("error: %v", err)
	}
}

// A topic that the cluster knows, but does not describe, is not a deleted one.
func TestTopicWithACodeOfItsOwn(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.LeaderNotAvailable, kerr.InvalidTopicException, kerr.UnknownServerError, {Message: "LATER", Code: 9999}} {
		t.Run("is read as it was known/"+code.Message, func(t *testing.T) {
			k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			w := start(t, k, func(c *Config) { c.UnknownTopicTimeout = time.Millisecond }, "orders")
			p := part0(0, plenty)
			w.f.Add(wire.PartitionOf("orders", 0), p)
			f := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "orders", Err: code, Count: -1})
			limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for n := 1; n < 4; n++ { // the first one starts the time that a topic may be unknown
				w.f.Refresh()
				if err := f.Wait(limit, n); err != nil {
					t.Fatal(err)
				}
			}
			f.Remove()
			write(t, producer(t, k), "orders", 0, 10)
			p.untilRecords(t, 10)
		})
	}
}

func TestOldFormatHaltsThePartition(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	write(t, producer(t, k), "orders", 0, 3)
	w := start(t, k, func(c *Config) {
		c.Client = tampered{c.Client, func(_ *kmsg.FetchRequest, r *kmsg.FetchResponse) {
			for _, t := range r.Topics {
				for _, p := range t.Partitions {
					if len(p.RecordBatches) > 16 {
						p.RecordBatches[16] = 1
					}
				}
			}
		}}
	}, "orders")
	p := part0(0, plenty)
	w.f.Add(wire.PartitionOf("orders", 0), p)
	p.until(t, "the halt", func() bool { return p.halt != nil })
	var f *batch.FormatError
	if !errors.As(p.halt, &f) || f.Magic != 1 {
		t.Errorf("halt: %v", p.halt)
	}
}
