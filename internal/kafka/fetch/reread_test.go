package fetch

import (
	"errors"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/batch"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestReread(t *testing.T) {
	tp := wire.PartitionOf("orders", 0)
	t.Run("returns records in order, beside the normal reading", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 1000)
		w := start(t, k, nil, "orders")
		p := part0(0, plenty)
		w.f.Add(tp, p)
		p.untilRecords(t, 1000)
		for from := int64(300); from < 1000; {
			a, err := w.f.Reread(t.Context(), tp, [16]byte{}, from)
			if err != nil || len(a.Messages) == 0 || a.Next <= from || a.Bytes <= 0 {
				t.Fatalf("from %d: %d records, next %d, %v", from, len(a.Messages), a.Next, err)
			}
			for _, m := range a.Messages {
				if m.Offset != from {
					t.Fatalf("offset %d, want %d", m.Offset, from)
				}
				from++
			}
			if a.Next != from {
				t.Fatalf("next is %d, want %d", a.Next, from)
			}
		}
		if a, err := w.f.Reread(t.Context(), tp, [16]byte{}, 1000); err != nil || a.Next != 1000 || len(a.Messages) > 0 {
			t.Errorf("at the end: %+v, %v", a, err)
		}
	})
	t.Run("reports that records were deleted", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 0, 100)
		if err := k.DeleteRecords("orders", 0, 60); err != nil {
			t.Fatal(err)
		}
		w := start(t, k, nil, "orders")
		p := part0(60, plenty)
		w.f.Add(tp, p)
		p.untilRecords(t, 40)
		if a, err := w.f.Reread(t.Context(), tp, [16]byte{}, 10); err != nil || !a.Deleted || a.Next != 60 {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("returns what is before a damaged batch, and then its error", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		prod := producer(t, k, kgo.ProducerLinger(10*time.Millisecond))
		for range 3 {
			write(t, prod, "orders", 0, 10)
		}
		w := start(t, k, func(c *Config) {
			c.Client = tampered{c.Client, func(_ *kmsg.FetchRequest, r *kmsg.FetchResponse) {
				for _, t := range r.Topics {
					for _, p := range t.Partitions {
						damage(p.RecordBatches, 10)
					}
				}
			}}
		}, "orders")
		p := part0(0, plenty)
		w.f.Add(tp, p)
		p.until(t, "the halt", func() bool { return p.halt != nil })
		if a, err := w.f.Reread(t.Context(), tp, [16]byte{}, 5); err != nil || a.Next != 10 || len(a.Messages) != 5 {
			t.Errorf("%+v, %v", a, err)
		}
		if _, err := w.f.Reread(t.Context(), tp, [16]byte{}, 10); !errors.Is(err, batch.ErrChecksum) {
			t.Errorf("error: %v", err)
		}
	})
}
