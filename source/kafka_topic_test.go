package source_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A topic that goes while it is read: on kfake, on kfake as brokers were that commit by name alone,
// and on a real Kafka.

func TestDeletedTopic(t *testing.T) {
	eachFake(t, func(t *testing.T, brokers []string) { deletedTopic(t, brokers) })
}

func TestDeletedTopicOnRealKafka(t *testing.T) { deletedTopic(t, kafkatest.Real(t)) }

func TestRecreatedTopic(t *testing.T) {
	eachFake(t, func(t *testing.T, brokers []string) { recreatedTopic(t, brokers) })
}

func TestRecreatedTopicOnRealKafka(t *testing.T) { recreatedTopic(t, kafkatest.Real(t)) }

func eachFake(t *testing.T, test func(t *testing.T, brokers []string)) {
	t.Parallel()
	t.Run("commits by id", func(t *testing.T) {
		t.Parallel()
		test(t, kafkatest.Fake(t).ListenAddrs())
	})
	t.Run("commits by name", func(t *testing.T) {
		t.Parallel()
		test(t, kafkatest.Fake(t, kfake.MaxVersions(kversion.V3_6_0())).ListenAddrs())
	})
}

func deletedTopic(t *testing.T, brokers []string) {
	k := kafkatest.At(t, brokers)
	t.Run("keeps no shutdown waiting for a commit that will never be", func(t *testing.T) {
		topic, got, heard := k.Topic(1), newSeen(), newEvents()
		write(t, k.Client, topic, 1, 10)
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: kafkatest.Name("group"), Topics: []string{topic}}).
			// finished, not committed
			GroupByKey().Concurrent(8, got.take).CommitEvery(1000, time.Minute), heard.observe())
		got.wait(t, 10)
		k.Delete(topic)
		r.stop() // without an error
		if gone := heard.gone(); !slices.Equal(gone, []string{topic}) {
			t.Errorf("lost for their topics were %v", gone)
		}
	})
	t.Run("keeps no other topic waiting in a rebalance", func(t *testing.T) {
		keep, gone, got, heard := k.Topic(2), k.Topic(2), newSeen(), newEvents()
		write(t, k.Client, gone, 2, 10)
		deleted, begun := make(chan struct{}), make(chan struct{}, 20)
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: kafkatest.Name("group"), Topics: []string{keep, gone},
			Balancers: []source.Balancer{source.Range}}).
			GroupByKey().
			Concurrent(64, func(ctx context.Context, m kafka.Message) error {
				if m.Topic == gone {
					begun <- struct{}{}
					<-deleted
				}
				return got.take(ctx, m)
			}).
			CommitEvery(1000, 100*time.Millisecond), stream.DrainTimeout(5*time.Minute), heard.observe())
		for range 20 {
			<-begun
		}
		k.Delete(gone)
		close(deleted)
		got.wait(t, 20)
		heard.await(t, "both partitions are let go", func() bool { return len(heard.lost) == 2 })
		write(t, k.Client, keep, 2, 10)
		got.wait(t, 40) // far sooner than DrainTimeout
		r.stop()
	})
}

func recreatedTopic(t *testing.T, brokers []string) {
	for name, untilNoticed := range map[string]bool{"at once takes no offset of the old one": false, "later takes no offset of the old one": true} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.At(t, brokers)
			topic, group, got, heard := k.Topic(1), kafkatest.Name("group"), newSeen(), newEvents()
			produce := func(n int, value string) {
				var rs []*kgo.Record
				for range n {
					rs = append(rs, &kgo.Record{Key: []byte("k"), Value: []byte(value)})
				}
				k.Produce(topic, rs...)
			}
			produce(100, "old")
			deleted, begun := make(chan struct{}), make(chan struct{}, 100)
			r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond}).
				Concurrent(64, func(ctx context.Context, m kafka.Message) error {
					if m.Offset >= 91 && string(m.Value) == "old" {
						begun <- struct{}{}
						<-deleted
					}
					return got.take(ctx, m)
				}).
				CommitEvery(1000, 20*time.Millisecond), heard.observe())
			for range 9 {
				<-begun
			}
			k.WaitCommitted(group, topic, map[int32]int64{0: 91})
			if untilNoticed {
				k.Delete(topic)
				close(deleted)
				heard.await(t, "the group's leader has noticed", func() bool { return len(heard.lost) == 1 })
			}
			k.Recreate(topic, 1)
			if !untilNoticed {
				close(deleted)
			}
			produce(500, "new")
			k.WaitCommitted(group, topic, map[int32]int64{0: 500})
			var news []int64
			for _, m := range got.msgs {
				if string(m.Value) == "new" {
					news = append(news, m.Offset)
				}
			}
			if slices.Sort(news); len(news) != 500 || news[0] != 0 || news[499] != 499 {
				t.Errorf("of 500 records of the new topic %d were handled", len(news))
			}
			r.stop()
			if told := len(heard.recreated) == 1; told == untilNoticed {
				t.Errorf("told were %+v", heard.recreated)
			}
		})
	}
	t.Run("that was empty is read under its new id", func(t *testing.T) {
		k := kafkatest.At(t, brokers)
		topic, group, got, heard := k.Topic(1), kafkatest.Name("group"), newSeen(), newEvents()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: brokers, Group: group, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond}).
			Serial(got.take).CommitEach(), heard.observe())
		heard.await(t, "it is assigned", func() bool { return heard.assigned == 1 })
		k.Recreate(topic, 1)
		write(t, k.Client, topic, 1, 10)
		got.wait(t, 10)
		k.WaitCommitted(group, topic, each(1, 10))
		r.stop()
	})
}

// An offset that was committed by name slipped through to the new topic: it says which topic it is
// of, and is not believed.
func TestOffsetOfAnotherTopicIsNotBelieved(t *testing.T) {
	old := kafkatest.Fake(t, kfake.MaxVersions(kversion.V3_6_0()))
	k := kafkatest.At(t, old.ListenAddrs())
	topic, group, got := k.Topic(1), kafkatest.Name("group"), newSeen()
	worker := func(heard *events) *running {
		return run(t, source.Kafka(source.KafkaConfig{Brokers: k.Brokers, Group: group, Topics: []string{topic}}).Serial(got.take).CommitEach(), heard.observe())
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
	heard := newEvents()
	r = worker(heard)
	got.wait(t, 40)
	k.WaitCommitted(group, topic, each(1, 30))
	r.stop()
	if len(heard.recreated) != 1 || heard.recreated[0].Offset != 10 {
		t.Errorf("told were %+v", heard.recreated)
	}
	// The new topic's own is believed.
	heard = newEvents()
	r = worker(heard)
	heard.await(t, "it is assigned", func() bool { return heard.assigned == 1 })
	write(t, k.Client, topic, 1, 1)
	got.wait(t, 41)
	r.stop()
	if len(heard.recreated) != 0 {
		t.Errorf("told were %+v", heard.recreated)
	}
}

// events are those of a run that have to do with topics.
type events struct {
	mu        sync.Mutex // guards what follows
	changed   chan struct{}
	assigned  int
	lost      []stream.Lost
	recreated []stream.TopicRecreated
}

func newEvents() *events { return &events{changed: make(chan struct{})} }

func (h *events) observe() stream.Option {
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

func (h *events) await(t *testing.T, what string, done func() bool) {
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

// gone is the topics of the partitions that were lost because those are not there any more.
func (h *events) gone() []string {
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
