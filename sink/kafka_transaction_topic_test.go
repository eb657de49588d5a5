package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestKafkaTransactionTopic(t *testing.T) {
	t.Run("commits by id", func(t *testing.T) { topicGoes(t, kafkatest.Fake(t).ListenAddrs()) })
	t.Run("commits by name", func(t *testing.T) {
		topicGoes(t, kafkatest.Fake(t, kfake.MaxVersions(kversion.V4_0_0())).ListenAddrs())
	})
	t.Run("joins offsets explicitly", func(t *testing.T) {
		topicGoes(t, kafkatest.Fake(t, kfake.MaxVersions(kversion.V3_6_0())).ListenAddrs())
	})
}

func TestKafkaTransactionTopicRealKafka(t *testing.T) { topicGoes(t, kafkatest.Real(t)) }

func topicGoes(t *testing.T, brokers []string) {
	for name, again := range map[string]bool{"deleted does not delay a shutdown": false, "created again gets no offset of the old one": true} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.At(t, brokers)
			in, out, group := k.Topic(1), k.Topic(1), kafkatest.Name("group")
			produce := func(what string, n int) (results []string) {
				var rs []*kgo.Record
				for i := range n {
					rs = append(rs, &kgo.Record{Value: fmt.Appendf(nil, "%s %03d", what, i)})
					results = append(results, fmt.Sprintf("%s %03d", what, i))
				}
				k.Produce(in, rs...)
				return results
			}
			produce("old", 100)
			deleted, started, lost := make(chan struct{}), make(chan struct{}, 100), make(chan error, 100)
			p, err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{in}, HeartbeatInterval: 100 * time.Millisecond}).
				MapConcurrent(64, func(_ context.Context, m kafka.Message) (kafka.Message, error) {
					if m.Offset >= 91 && strings.HasPrefix(string(m.Value), "old") {
						started <- struct{}{}
						<-deleted
					}
					return kafka.Message{Value: m.Value}, nil
				}).
				CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: brokers, Topic: out}, group), 50, 20*time.Millisecond).
				Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
					if l, ok := e.(stream.Lost); ok {
						lost <- l.Err
					}
				}}))
			if err != nil {
				t.Fatal(err)
			}
			stop := running(t, p)
			for range 9 {
				<-started
			}
			k.WaitCommitted(group, in, map[int32]int64{0: 91})
			if !again {
				k.Delete(in)
				close(deleted)
				var gone *stream.TopicGoneError
				select {
				case err := <-lost:
					if !errors.As(err, &gone) || len(gone.Partitions) != 1 {
						t.Errorf("the partition was lost for the wrong reason: %v", err)
					}
				case <-time.After(20 * time.Second): // longer than a transaction is retried
					t.Error("the partition was not released")
				}
			} else {
				k.Recreate(in, 1)
				close(deleted)
				want := produce("new", 300)
				k.WaitCommitted(group, in, map[int32]int64{0: 300})
				got := slices.DeleteFunc(values(k.Records(out)), func(v string) bool { return strings.HasPrefix(v, "old") })
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%d of 300 records of the new topic were written", len(got))
				}
			}
			stop()
		})
	}
}
