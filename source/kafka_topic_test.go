package source_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// These tests delete a topic while it is read: on kfake, on a kfake that commits by name alone like
// older brokers, and on a real Kafka.

func TestKafkaDeletedTopic(t *testing.T) { onFakes(t, deletedTopic) }

func TestKafkaDeletedTopicRealKafka(t *testing.T) {
	t.Parallel()
	deletedTopic(t, onKafka)
}

func TestKafkaRecreatedTopic(t *testing.T) { onFakes(t, recreatedTopic) }

func TestKafkaRecreatedTopicRealKafka(t *testing.T) {
	t.Parallel()
	recreatedTopic(t, onKafka)
}

// topicTest is a test on some Kafka, reached through a Transport. A place runs it as a subtest.
type topicTest func(t *testing.T, k *kafkatest.Kafka, transport *kafka.Transport)

type place func(t *testing.T, name string, test topicTest)

func onKafka(t *testing.T, name string, test topicTest) {
	t.Run(name, func(t *testing.T) { test(t, kafkatest.At(t, kafkatest.Real(t)), nil) })
}

func onFakes(t *testing.T, test func(t *testing.T, on place)) {
	fake := func(opts ...kfake.Opt) place {
		return func(t *testing.T, name string, test topicTest) {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, k, transport := kafkatest.Virtual(t, opts...)
					test(t, k, transport)
				})
			})
		}
	}
	t.Run("commits by id", func(t *testing.T) { test(t, fake()) })
	t.Run("commits by name", func(t *testing.T) { test(t, fake(kfake.MaxVersions(kversion.V3_6_0()))) })
}

func deletedTopic(t *testing.T, on place) {
	on(t, "does not delay a shutdown by a commit that cannot succeed", func(t *testing.T, k *kafkatest.Kafka, transport *kafka.Transport) {
		topic, got, events := k.Topic(1), newRecorder(), newEvents()
		write(t, k.Client, topic, 1, 10)
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Transport: transport, Group: kafkatest.Name("group"), Topics: []string{topic}}).
			// finished, not committed
			GroupByKey().Concurrent(8, got.record).CommitEvery(1000, time.Minute), events.observe())
		got.wait(t, 10)
		k.Delete(topic)
		r.stop() // without an error
		if gone := events.gone(); !slices.Equal(gone, []string{topic}) {
			t.Errorf("lost as deleted: %v", gone)
		}
	})
	on(t, "does not delay other topics in a rebalance", func(t *testing.T, k *kafkatest.Kafka, transport *kafka.Transport) {
		keep, gone, got, events := k.Topic(2), k.Topic(2), newRecorder(), newEvents()
		write(t, k.Client, gone, 2, 10)
		deleted, started := make(chan struct{}), make(chan struct{}, 20)
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Transport: transport, Group: kafkatest.Name("group"), Topics: []string{keep, gone},
			Balancers: []source.Balancer{source.Range}}).
			GroupByKey().
			Concurrent(64, func(ctx context.Context, m kafka.Message) error {
				if m.Topic == gone {
					started <- struct{}{}
					<-deleted
				}
				return got.record(ctx, m)
			}).
			CommitEvery(1000, 100*time.Millisecond), stream.DrainTimeout(5*time.Minute), events.observe())
		for range 20 {
			<-started
		}
		k.Delete(gone)
		close(deleted)
		got.wait(t, 20)
		events.await(t, "both partitions are lost", func() bool { return len(events.lost) == 2 })
		write(t, k.Client, keep, 2, 10)
		got.wait(t, 40) // far sooner than DrainTimeout
		r.stop()
	})
}

func recreatedTopic(t *testing.T, on place) {
	for name, untilNoticed := range map[string]bool{"at once ignores the old offset": false, "later ignores the old offset": true} {
		on(t, name, func(t *testing.T, k *kafkatest.Kafka, transport *kafka.Transport) {
			topic, group, got, events := k.Topic(1), kafkatest.Name("group"), newRecorder(), newEvents()
			produce := func(n int, value string) {
				var rs []*kgo.Record
				for range n {
					rs = append(rs, &kgo.Record{Key: []byte("k"), Value: []byte(value)})
				}
				k.Produce(topic, rs...)
			}
			produce(100, "old")
			deleted, started := make(chan struct{}), make(chan struct{}, 100)
			r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Transport: transport, Group: group, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond}).
				Concurrent(64, func(ctx context.Context, m kafka.Message) error {
					if m.Offset >= 91 && string(m.Value) == "old" {
						started <- struct{}{}
						<-deleted
					}
					return got.record(ctx, m)
				}).
				CommitEvery(1000, 20*time.Millisecond), events.observe())
			for range 9 {
				<-started
			}
			k.WaitCommitted(group, topic, map[int32]int64{0: 91})
			if untilNoticed {
				k.Delete(topic)
				close(deleted)
				events.await(t, "the group's leader has noticed", func() bool { return len(events.lost) == 1 })
			}
			k.Recreate(topic, 1)
			if !untilNoticed {
				close(deleted)
			}
			produce(500, "new")
			k.WaitCommitted(group, topic, map[int32]int64{0: 500})
			var offsets []int64
			for _, m := range got.msgs {
				if string(m.Value) == "new" {
					offsets = append(offsets, m.Offset)
				}
			}
			if slices.Sort(offsets); len(offsets) != 500 || offsets[0] != 0 || offsets[499] != 499 {
				t.Errorf("%d of 500 records of the new topic were handled", len(offsets))
			}
			r.stop()
			if emitted := len(events.recreated) == 1; emitted == untilNoticed {
				t.Errorf("recreated: %+v", events.recreated)
			}
		})
	}
	on(t, "that was empty is read by its new id", func(t *testing.T, k *kafkatest.Kafka, transport *kafka.Transport) {
		topic, group, got, events := k.Topic(1), kafkatest.Name("group"), newRecorder(), newEvents()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Transport: transport, Group: group, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond}).
			Serial(got.record).CommitEach(), events.observe())
		events.await(t, "the partition is assigned", func() bool { return events.assigned == 1 })
		k.Recreate(topic, 1)
		write(t, k.Client, topic, 1, 10)
		got.wait(t, 10)
		k.WaitCommitted(group, topic, each(1, 10))
		r.stop()
	})
}

// No fetch tells that the topic of a partition without room was recreated.
func TestKafkaRecreatedTopicWithoutRoom(t *testing.T) {
	for name, wait := range map[string]func(context.Context) error{
		"of a halted partition is read": func(context.Context) error { return errors.New("boom") },
		"of a full partition is read":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, k, transport := kafkatest.Virtual(t, kfake.SeedTopics(1, "orders"))
				write(t, k.Client, "orders", 1, 3)
				cfg, got := config(c), newRecorder()
				cfg.Transport = transport
				s := source.Kafka(cfg).Serial(func(ctx context.Context, m kafka.Message) error {
					if m.Offset == 1 && len(got.all()) == 1 {
						return wait(ctx)
					}
					return got.record(ctx, m)
				}).HaltOnError().CommitEvery(1, 0)
				r := run(t, s, stream.MaxInFlight(1))
				got.wait(t, 1)
				time.Sleep(time.Minute)
				k.Recreate("orders", 1)
				write(t, k.Client, "orders", 1, 5)
				time.Sleep(time.Minute) // far less than until metadata are old
				if ms := got.all(); len(ms) != 6 || ms[1].Offset != 0 {
					t.Errorf("%d records of the new topic were handled, want 5", len(ms)-1)
				}
				r.stop()
			})
		})
	}
}

// An offset committed by name reached the new topic. Its metadata names the old topic, so it is
// ignored.
func TestKafkaOffsetOfAnotherTopic(t *testing.T) {
	old := kafkatest.Fake(t, kfake.MaxVersions(kversion.V3_6_0()))
	k := kafkatest.At(t, old.ListenAddrs())
	topic, group, got := k.Topic(1), kafkatest.Name("group"), newRecorder()
	worker := func(events *topicEvents) *running {
		return run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{topic}}).Serial(got.record).CommitEach(), events.observe())
	}
	write(t, k.Client, topic, 1, 10)
	r := worker(newEvents())
	got.wait(t, 10)
	k.WaitCommitted(group, topic, each(1, 10))
	r.stop()
	stored := old.GroupInfo(group).Commits[topic][0]

	k.Recreate(topic, 1)
	write(t, k.Client, topic, 1, 30)
	k.Commit(group, topic, 0, stored.Offset, stored.Metadata)
	events := newEvents()
	r = worker(events)
	got.wait(t, 40)
	k.WaitCommitted(group, topic, each(1, 30))
	r.stop()
	if len(events.recreated) != 1 || events.recreated[0].Offset != 10 {
		t.Errorf("recreated: %+v", events.recreated)
	}
	// The new topic's own offset is used.
	events = newEvents()
	r = worker(events)
	events.await(t, "the partition is assigned", func() bool { return events.assigned == 1 })
	write(t, k.Client, topic, 1, 1)
	got.wait(t, 41)
	r.stop()
	if len(events.recreated) != 0 {
		t.Errorf("recreated: %+v", events.recreated)
	}
}

// topicEvents records the events of a run that concern topics.
type topicEvents struct {
	mu        sync.Mutex // guards the fields below
	changed   chan struct{}
	assigned  int
	lost      []stream.Lost
	recreated []stream.TopicRecreated
}

func newEvents() *topicEvents { return &topicEvents{changed: make(chan struct{})} }

func (h *topicEvents) observe() stream.Option {
	return stream.Observe(stream.Observer{Event: func(e stream.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		switch e := e.(type) {
		case stream.Assigned:
			h.assigned++
		case stream.Lost:
			h.lost = append(h.lost, e)
		case stream.TopicRecreated:
			h.recreated = append(h.recreated, e)
		}
		close(h.changed)
		h.changed = make(chan struct{})
	}})
}

func (h *topicEvents) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		ok, changed := done(), h.changed
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited 30 s until %s", what)
		}
	}
}

// gone returns the topics of the partitions that were lost because their topics are gone.
func (h *topicEvents) gone() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	topics := map[string]bool{}
	for _, l := range h.lost {
		var gone *stream.TopicGoneError
		if errors.As(l.Err, &gone) && strings.Contains(l.Err.Error(), "deleted") {
			topics[l.Topic] = true
		}
	}
	return slices.Sorted(maps.Keys(topics))
}

// Without a group, the span is that of the new topic: otherwise reading would not end before the
// new topic is as long as the old one was.
func TestKafkaRecreatedTopicWithoutAGroup(t *testing.T) {
	for name, c := range map[string]struct {
		span source.Span
		want int
		ends bool
	}{
		"is read on without an end":       {source.Span{}, 7, false},
		"is read up to its own end":       {source.Span{To: source.Latest}, 7, true},
		"is read from its own beginning":  {source.Span{From: source.AtOffset(2), To: source.Latest}, 5, true},
		"is read up to the same offset":   {source.Span{To: source.AtOffset(6)}, 6, true},
		"that is short of the span's end": {source.Span{To: source.At(time.Now().Add(time.Hour))}, 7, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
			topic, got, events := k.Topic(1), newRecorder(), newEvents()
			for range 20 { // more than is read at once
				k.Produce(topic, &kgo.Record{Value: make([]byte, 64<<10)})
			}
			started, release := make(chan struct{}), make(chan struct{})
			first := sync.OnceFunc(func() { close(started); <-release })
			r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Partitions: map[stream.TopicPartition]source.Span{{Topic: topic}: c.span}}).
				Serial(func(ctx context.Context, m kafka.Message) error {
					if first(); string(m.Value) != "new" {
						return nil
					}
					return got.record(ctx, m)
				}), stream.MaxInFlight(1), events.observe())
			<-started
			k.Recreate(topic, 1)
			for range 7 {
				k.Produce(topic, &kgo.Record{Value: []byte("new")})
			}
			close(release)
			got.wait(t, c.want)
			if !c.ends {
				r.stop()
			} else if err := r.result(); err != nil {
				t.Error(err)
			}
			if n := len(events.recreated); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	}
}
