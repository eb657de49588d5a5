package cookbook

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	_ "modernc.org/sqlite"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func instant(_ context.Context, o Order) (Receipt, error) { return Receipt{Order: o.ID}, nil }

func TestGuarantee(t *testing.T) {
	bubble(t, "AtMostOnce", func(t *testing.T) {
		b := &bank{always: map[string]error{"a1": errBad}}
		run(t, AtMostOnce(orders, b.charge), logOf("a1", "b1"))
		if len(b.charged) != 1 {
			t.Errorf("charged %v", b.charged)
		}
	})
	t.Run("InDatabase", func(t *testing.T) {
		db, err := sql.Open("sqlite", "file:"+t.TempDir()+"/receipts.db?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`CREATE TABLE receipts (id TEXT PRIMARY KEY)`); err != nil {
			t.Fatal(err)
		}
		run(t, InDatabase(orders, instant, db), logOf("a1", "b1", "a2"))
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM receipts`).Scan(&n); err != nil || n != 3 {
			t.Errorf("%d receipts, %v", n, err)
		}
	})
}

// onKafka runs a recipe on a broker in this process, with 20 orders in a topic.
func onKafka(t *testing.T, recipe func(ctx context.Context, d *demo.Demo) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	program := demo.Program{Name: "orders", Partitions: 2, Run: func(ctx context.Context, d *demo.Demo) error {
		var records []kafka.Message
		for i := range 20 {
			records = append(records, kafka.Message{Key: fmt.Appendf(nil, "k%d", i%5), Value: fmt.Appendf(nil, `{"ID": "%d"}`, i)})
		}
		if _, err := d.Seed(ctx, records...); err != nil {
			return err
		}
		return recipe(ctx, d)
	}}
	if err := program.Demonstrate(ctx, io.Discard, nil, false, ""); err != nil {
		t.Error(err)
	}
}

// written counts the records of a topic with one partition.
func written(ctx context.Context, d *demo.Demo, topic string) (int64, error) {
	var n atomic.Int64
	parts := map[stream.TopicPartition]source.Span{{Topic: topic}: {To: source.Latest}}
	err := source.Kafka(source.KafkaConfig{Brokers: d.Kafka.Brokers, Partitions: parts}).
		Serial(func(context.Context, kafka.Message) error { n.Add(1); return nil }).Run(ctx)
	return n.Load(), err
}

func TestKafka(t *testing.T) {
	to := func(d *demo.Demo, topic string) sink.KafkaConfig {
		return sink.KafkaConfig{Brokers: d.Kafka.Brokers, Topic: topic}
	}
	holds := func(ctx context.Context, t *testing.T, d *demo.Demo, topic string, want int64) error {
		n, err := written(ctx, d, topic)
		if n != want {
			t.Errorf("%s has %d records, want %d", topic, n, want)
		}
		return err
	}
	for name, recipe := range map[string]func(d *demo.Demo, topic string) stream.Stream[kafka.Message]{
		"Published": func(d *demo.Demo, topic string) stream.Stream[kafka.Message] {
			return Published(d.Kafka, instant, to(d, topic))
		},
		"InKafka": func(d *demo.Demo, topic string) stream.Stream[kafka.Message] {
			return InKafka(d.Kafka, instant, to(d, topic))
		},
		"FanOut": func(d *demo.Demo, topic string) stream.Stream[kafka.Message] {
			return FanOut(d.Kafka, to(d, ""), topic)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onKafka(t, func(ctx context.Context, d *demo.Demo) error {
				topic, err := d.NewTopic(ctx, "receipts", 1)
				if err != nil {
					return err
				}
				if err := d.Run(ctx, recipe(d, topic)); err != nil {
					return err
				}
				return holds(ctx, t, d, topic, 20)
			})
		})
	}
	t.Run("Lettered", func(t *testing.T) {
		refuse := func(_ context.Context, o Order) (Receipt, error) {
			if o.ID == "7" {
				return Receipt{}, errBad
			}
			return Receipt{}, nil
		}
		onKafka(t, func(ctx context.Context, d *demo.Demo) error {
			letters, err := d.NewTopic(ctx, "orders.dlq", 1)
			if err != nil {
				return err
			}
			if err := d.Run(ctx, Lettered(d.Kafka, refuse, to(d, letters))); err != nil {
				return err
			}
			return holds(ctx, t, d, letters, 1)
		})
	})
	t.Run("Replay", func(t *testing.T) {
		onKafka(t, func(ctx context.Context, d *demo.Demo) error {
			var n atomic.Int64
			look := func(context.Context, kafka.Message) error { n.Add(1); return nil }
			for p := range 2 {
				worker := source.Kafka(d.Kafka).GroupByKey().Concurrent(64, look).CommitEach()
				if err := Replay(ctx, worker, d.Kafka.Brokers, stream.TopicPartition{Topic: d.Topic(), Partition: p}, time.Now()); err != nil {
					return err
				}
			}
			if n.Load() != 20 {
				t.Errorf("%d records", n.Load())
			}
			return nil
		})
	})
}
