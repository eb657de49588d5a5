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
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// mergedCopy is a worker that copies topics to another. It reads each with a member of its own.
func mergedCopy(k *kafkatest.Kafka, session time.Duration, ins []string, out, group, worker string) stream.Stream[kafka.Message] {
	var chains []stream.Stream[kafka.Message]
	for i, in := range ins {
		chains = append(chains, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{in}, InstanceID: fmt.Sprint(worker, "-", i),
			SessionTimeout: session, HeartbeatInterval: 100 * time.Millisecond,
			// kfake waits as long for a member that leaves while it joins
			RebalanceTimeout: session}).As(fmt.Sprint("in", i)))
	}
	return stream.Merge(chains...).
		GroupByKey().
		MapConcurrent(8, func(_ context.Context, m kafka.Message) (kafka.Message, error) {
			m.Value = append(slices.Clone(m.Value), '!')
			return m, nil
		}).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, "copy"), 50, 20*time.Millisecond)
}

// copiesMerged has a worker copy two topics, while another comes and goes.
func copiesMerged(t *testing.T, brokers []string, session time.Duration) {
	k := kafkatest.At(t, brokers)
	a, b, out, group := k.Topic(4), k.Topic(4), k.Topic(3), kafkatest.Name("group")
	var want []string
	add := func() {
		want = append(want, numbers(k, a, 2000)...)
		want = append(want, numbers(k, b, 2000)...)
	}
	add()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var workers sync.WaitGroup
	work := func(ctx context.Context, name string) {
		if err := mergedCopy(k, session, []string{a, b}, out, group, name).RetryOnError(stream.RetryPolicy{MaxAttempts: 10}).Run(ctx); err != nil {
			t.Error(err)
		}
	}
	workers.Go(func() { work(ctx, "one") })
	other, leave := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { work(other, "two") })
	k.WaitMembers(group, 4)
	add()
	leave()
	wg.Wait() // it was a static member, so its partitions wait for the end of its session
	for _, in := range []string{a, b} {
		k.WaitCommitted(group, in, map[int32]int64{0: 1000, 1: 1000, 2: 1000, 3: 1000})
	}
	stop()
	workers.Wait()
	slices.Sort(want)
	if vs := values(k.Records(out)); !slices.Equal(vs, want) {
		t.Errorf("%d results, want %d", len(vs), len(want))
	}
}

func TestKafkaTransactionMerge(t *testing.T) {
	t.Run("copies the topics of two members exactly once", func(t *testing.T) {
		for name, opts := range map[string][]kfake.Opt{"version 2": nil, "before": {kfake.MaxVersions(kversion.V3_6_0())}} {
			t.Run(name, func(t *testing.T) {
				copiesMerged(t, kafkatest.Fake(t, append(opts, kfake.NumBrokers(2))...).ListenAddrs(), 3*time.Second)
			})
		}
	})
	t.Run("goes on without a topic that is deleted", func(t *testing.T) {
		for name, opts := range map[string][]kfake.Opt{"commits by id": nil, "commits by name": {kfake.MaxVersions(kversion.V3_6_0())}} {
			t.Run(name, func(t *testing.T) { mergedTopicGoes(t, kafkatest.At(t, kafkatest.Fake(t, opts...).ListenAddrs())) })
		}
	})
	t.Run("is refused for sources of two groups, or that may be of two clusters", func(t *testing.T) {
		of := func(instance, broker, group string) stream.Stream[kafka.Message] {
			return source.Kafka(source.KafkaConfig{Brokers: []string{broker}, Group: group, Topics: []string{"in"}, InstanceID: instance})
		}
		tx := sink.KafkaTransaction(sink.KafkaConfig{Brokers: []string{"a:9092"}, Topic: "out"}, "copy")
		for name, c := range map[string]struct {
			other stream.Stream[kafka.Message]
			fault string
		}{
			"two members":     {of("two", "a:9092", "g"), ""},
			"two groups":      {of("two", "a:9092", "h"), "are not known to be in one group and cluster"},
			"two clusters":    {of("two", "b:9092", "g"), "are not known to be in one group and cluster"},
			"one member":      {of("one", "a:9092", "g"), "two sources are one member: group g at a:9092, instance one"},
			"without a group": {source.Slice(kafka.Message{}), "are not known to be in one group and cluster"},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := stream.Merge(of("one", "a:9092", "g").As("one"), c.other.As("two")).CommitWith(tx, 50, time.Second).Build()
				switch {
				case c.fault == "" && err != nil:
					t.Error(err)
				case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
					t.Errorf("%v, want %q", err, c.fault)
				}
			})
		}
	})
}

func TestKafkaTransactionMergeRealKafka(t *testing.T) {
	copiesMerged(t, kafkatest.Real(t), 6*time.Second)
}

// mergedTopicGoes deletes one of two topics while a record of it is in its handler.
func mergedTopicGoes(t *testing.T, k *kafkatest.Kafka) {
	gone, keep, out, group := k.Topic(1), k.Topic(1), k.Topic(1), kafkatest.Name("group")
	deleted, started, lost := make(chan struct{}), make(chan struct{}), make(chan stream.Lost, 10)
	of := func(topic, name string) stream.Stream[kafka.Message] {
		return source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{topic}, InstanceID: name,
			HeartbeatInterval: 100 * time.Millisecond}).As(name)
	}
	p, err := stream.Merge(of(gone, "gone"), of(keep, "keep")).
		MapConcurrent(8, func(_ context.Context, m kafka.Message) (kafka.Message, error) {
			if m.Topic == gone {
				close(started)
				<-deleted
			}
			return kafka.Message{Value: m.Value}, nil
		}).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: k.Brokers, Topic: out}, group), 50, 20*time.Millisecond).
		Build(stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if l, ok := e.(stream.Lost); ok {
				lost <- l
			}
		}}))
	if err != nil {
		t.Fatal(err)
	}
	stop := running(t, p)
	k.Produce(gone, &kgo.Record{Value: []byte("old")})
	<-started
	k.Delete(gone)
	close(deleted)
	var topicGone *stream.TopicGoneError
	select {
	case l := <-lost:
		if l.Source != "gone" || !errors.As(l.Err, &topicGone) {
			t.Errorf("lost: %v: %v", l.TopicPartition, l.Err)
		}
	case <-time.After(20 * time.Second): // longer than a transaction is retried
		t.Error("the partition was not released")
	}
	k.Produce(keep, &kgo.Record{Value: []byte("kept")})
	k.WaitCommitted(group, keep, map[int32]int64{0: 1})
	stop()
	if vs := values(k.Records(out)); !slices.Equal(vs, []string{"kept"}) {
		t.Errorf("written: %v", vs)
	}
}
