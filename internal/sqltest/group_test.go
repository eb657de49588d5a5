package sqltest

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// group is a topic on a Kafka, and a group that reads it.
type group struct {
	*kafkatest.Kafka
	t           *testing.T
	topic, name string
}

func newGroup(t *testing.T, brokers []string, partitions int) *group {
	k := kafkatest.At(t, brokers)
	return &group{Kafka: k, t: t, topic: k.Topic(partitions), name: kafkatest.Name("group")}
}

// produce writes n records to one partition.
func (g *group) produce(part int32, n int) {
	for range n {
		g.Produce(g.topic, &kgo.Record{Topic: g.topic, Partition: part})
	}
}

// results reads the topic as a member of the group. The result of a record is its offset.
func (g *group) results() stream.Stream[result] {
	return source.Kafka(source.KafkaConfig{Brokers: g.Brokers, Group: g.name, Topics: []string{g.topic},
		MaxWait: 100 * time.Millisecond, HeartbeatInterval: 100 * time.Millisecond}).
		GroupByKey().
		MapConcurrent(8, func(_ context.Context, m kafka.Message) (result, error) { return result{m.Partition, m.Offset}, nil })
}

// worker is a running member of a group.
type worker struct {
	*stream.Pipeline
	g         *group
	committed chan int64 // offsets of partition 0
	ended     chan error // buffered; receives Run's result
	cancel    context.CancelFunc
}

// start runs a chain as a new member, until stop is called or ctx ends. on receives its events.
func (g *group) start(ctx context.Context, s stream.Stream[result], on func(stream.Event), opts ...stream.Option) *worker {
	g.t.Helper()
	w := &worker{g: g, committed: make(chan int64, 1000), ended: make(chan error, 1)}
	p, err := s.Build(append(opts, stream.Observe(stream.Observer{Event: func(e stream.Event) {
		if c, ok := e.(stream.Committed); ok {
			if at, ok := c.Offsets[stream.TopicPartition{Topic: g.topic}]; ok {
				w.committed <- at
			}
		}
		on(e)
	}}))...)
	if err != nil {
		g.t.Fatal(err)
	}
	w.Pipeline = p
	ctx, w.cancel = context.WithCancel(ctx)
	go func() { w.ended <- p.Run(ctx) }()
	return w
}

// await waits until the worker has committed an offset of partition 0.
func (w *worker) await(offset int64) {
	w.g.t.Helper()
	for {
		select {
		case at := <-w.committed:
			if at == offset {
				return
			}
		case err := <-w.ended:
			w.g.t.Fatalf("Run ended before it committed %d: %v", offset, err)
		}
	}
}

func (w *worker) stop() {
	w.g.t.Helper()
	w.cancel()
	if err := <-w.ended; err != nil {
		w.g.t.Error(err)
	}
}
