package source_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func producer(t *testing.T, k *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// write writes n records to each partition.
func write(t *testing.T, c *kgo.Client, topic string, partitions, n int) {
	t.Helper()
	var recs []*kgo.Record
	for p := range partitions {
		for i := range n {
			recs = append(recs, &kgo.Record{Topic: topic, Partition: int32(p), Key: fmt.Appendf(nil, "k%d", i%10), Value: fmt.Appendf(nil, "%d/%d", p, i),
				Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Appendf(nil, "%d", i)}}})
		}
	}
	if err := c.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// recorder records the messages that a chain handled.
type recorder struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced by each message
	msgs    []kafka.Message
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

// all returns what was recorded so far.
func (s *recorder) all() []kafka.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.msgs)
}

func (s *recorder) record(_ context.Context, m kafka.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.msgs = append(s.msgs, m)
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// wait waits for n messages and fails if there are more.
func (s *recorder) wait(t *testing.T, n int) []kafka.Message {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		msgs, changed := s.msgs, s.changed
		s.mu.Unlock()
		if len(msgs) >= n {
			if len(msgs) > n {
				t.Fatalf("%d messages, want %d", len(msgs), n)
			}
			return msgs
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d messages, want %d", len(msgs), n)
		}
	}
}

// running is a chain whose Run has started.
type running struct {
	*testing.T
	cancel context.CancelFunc
	ended  chan error // buffered; receives Run's result
}

func run(t *testing.T, s stream.Stream[kafka.Message], opts ...stream.Option) *running {
	t.Helper()
	p, err := s.Build(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return runBuilt(t, p)
}

func runBuilt(t *testing.T, p *stream.Pipeline) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{T: t, cancel: cancel, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// stop ends the chain and expects no error.
func (r *running) stop() {
	r.Helper()
	r.cancel()
	if err := r.result(); err != nil {
		r.Fatalf("Run: %v", err)
	}
}

func (r *running) result() error {
	r.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(30 * time.Second):
		r.Fatal("Run has not returned")
		return nil
	}
}

// committed returns the group's offsets of a topic.
func committed(t *testing.T, k *kfake.Cluster, group, topic string) map[int32]int64 {
	t.Helper()
	return kafkatest.At(t, k.ListenAddrs()).Committed(group, topic)
}

// each returns n for each of the partitions.
func each(partitions int, n int64) map[int32]int64 {
	m := map[int32]int64{}
	for p := range partitions {
		m[int32(p)] = n
	}
	return m
}

func config(k *kfake.Cluster) source.KafkaConfig {
	return source.KafkaConfig{Brokers: k.ListenAddrs(), Group: "billing", Topics: []string{"orders"}, HeartbeatInterval: 100 * time.Millisecond}
}
