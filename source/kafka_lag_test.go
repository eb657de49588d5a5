package source_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// A partition that is not fetched still tells how far it is behind.
func TestKafkaLag(t *testing.T) {
	for name, stop := range map[string]struct {
		fails error
		ask   func(*stream.Pipeline) error
	}{
		"of a paused partition follows its log": {ask: func(p *stream.Pipeline) error {
			return p.Pause(stream.TopicPartition{Topic: "orders"}, 1, "a test", time.Time{})
		}},
		"of a halted partition follows its log": {fails: errors.New("boom")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, k, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
				write(t, k.Client, "orders", 1, 1)
				cfg := config(c)
				cfg.Transport = transport
				p, err := source.Kafka(cfg).Serial(func(context.Context, kafka.Message) error { return stop.fails }).HaltOnError().CommitEvery(1, 0).
					Build(stream.MaxInFlight(1))
				if err != nil {
					t.Fatal(err)
				}
				r := runBuilt(t, p)
				time.Sleep(5 * time.Second)
				if stop.ask != nil {
					if err := stop.ask(p); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(5 * time.Second) // the last fetch has ended
				write(t, k.Client, "orders", 1, 100)
				time.Sleep(20 * time.Second)
				if at := p.Snapshot().Partitions[0]; at.End != 101 || at.Lag < 100 {
					t.Errorf("end %d, lag %d", at.End, at.Lag)
				}
				r.stop()
			})
		})
	}
}
