package source_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// unstored is a Transactor that is never used.
type unstored struct {
	stream.Transactor[kafka.Message]
}

func TestReplay(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
	write(t, producer(t, k), "orders", 2, 100)
	inspected := kafkatest.At(t, k.ListenAddrs())
	inspected.Commit("billing", "orders", 0, 70, "")
	spans := source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{
		{Topic: "orders"}:               {From: source.AtOffset(10), To: source.AtOffset(25)},
		{Topic: "orders", Partition: 1}: {From: source.AtOffset(95), To: source.Latest},
	}}
	live := source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Group: "billing", Topics: []string{"orders"}})

	t.Run("runs a worker's own chain over the spans, and touches no group", func(t *testing.T) {
		got := newRecorder()
		chain := live.GroupByKey().Concurrent(8, got.record).ParkOnError().CommitEach()
		if err := chain.Run(t.Context(), source.Replay(spans)); err != nil {
			t.Fatal(err)
		}
		if n := len(got.wait(t, 20)); n != 20 {
			t.Errorf("%d records were handled, want 20", n)
		}
		if offsets := inspected.Committed("billing", "orders"); len(offsets) != 1 || offsets[0] != 70 {
			t.Errorf("the group has committed %v", offsets)
		}
		inspected.WaitMembers("billing", 0)
	})
	t.Run("names records that it could not handle", func(t *testing.T) {
		fails := func(_ context.Context, m kafka.Message) error {
			if m.Offset == 12 {
				return errors.New("still wrong")
			}
			return nil
		}
		err := live.GroupByKey().Concurrent(8, fails).ParkOnError().CommitEach().Run(t.Context(), source.Replay(spans), stream.Observe())
		if err == nil || !strings.Contains(err.Error(), "orders[0]@12") {
			t.Error(err)
		}
	})
	t.Run("is refused with a group, and above CommitWith", func(t *testing.T) {
		both := spans
		both.Group = "billing"
		for says, build := range map[string]func() error{
			"a replay has no group": func() error {
				_, err := live.Serial(newRecorder().record).CommitEach().Build(source.Replay(both))
				return err
			},
			"a transaction would store them as the group's": func() error {
				_, err := live.CommitWith(unstored{}, 100, time.Second).Build(source.Replay(spans))
				return err
			},
		} {
			var fault *stream.BuildError
			if err := build(); !errors.As(err, &fault) || !strings.Contains(err.Error(), says) {
				t.Errorf("want %q: %v", says, err)
			}
		}
	})
}
