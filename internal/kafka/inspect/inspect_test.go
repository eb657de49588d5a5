package inspect_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/laneway-go/laneway/internal/kafka/inspect"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, k *kafkatest.Kafka) *wire.Client {
	t.Helper()
	c := wire.New(wire.Config{Brokers: k.Brokers})
	t.Cleanup(c.Close)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// joins has a static member in a group until the func that it returns is called.
func joins(t *testing.T, k *kafkatest.Kafka, group, topic string) (leaves func()) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.InstanceID("one"), kgo.ClientID("someone"),
		kgo.DisableAutoCommit(), kgo.SessionTimeout(time.Minute))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cl.PollFetches(ctx)
	}()
	k.WaitMembers(group, 1)
	return func() {
		cancel()
		<-done
		cl.Close()
	}
}

// evict takes the static member out of a group, as an administrator does.
func evict(t *testing.T, k *kafkatest.Kafka, group string) {
	t.Helper()
	one := "one"
	m := kmsg.NewLeaveGroupRequestMember()
	m.InstanceID = &one
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.Members = group, append(req.Members, m)
	resp, err := req.RequestWith(t.Context(), k.Client)
	must(t, err)
	must(t, wire.Code(resp.ErrorCode).Err())
	k.WaitMembers(group, 0)
}

func TestDescribe(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic, c := k.Topic(1), client(t, k)
	t.Run("knows that a group is not there", func(t *testing.T) {
		g, err := inspect.Describe(t.Context(), c, "nobody")
		if err != nil || g.State != "Dead" || len(g.Members) > 0 {
			t.Errorf("%+v, %v", g, err)
		}
	})
	t.Run("lists the members of a classic group, also those that were killed", func(t *testing.T) {
		group := kafkatest.Name("group")
		joins(t, k, group, topic)() // a static member does not leave
		g, err := inspect.Describe(t.Context(), c, group)
		if err != nil || len(g.Members) != 1 || g.Members[0].Instance != "one" || g.Members[0].Client != "someone" {
			t.Errorf("%+v, %v", g, err)
		}
	})
	t.Run("lists the members of a group of KIP-848", func(t *testing.T) {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.RebalanceTimeoutMillis = kafkatest.Name("group"), "a-member", 60_000
		req.SubscribedTopicNames, req.Topics = []string{topic}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		resp, err := req.RequestWith(t.Context(), k.Client)
		if err != nil || resp.ErrorCode != 0 {
			t.Fatal(err, resp)
		}
		g, err := inspect.Describe(t.Context(), c, req.Group)
		if err != nil || len(g.Members) != 1 || g.State == "Dead" {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

func TestOffsets(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
	topic, gone, c, group := k.Topic(2), k.Topic(1), client(t, k), kafkatest.Name("group")
	k.Produce(topic, &kgo.Record{Partition: 1}, &kgo.Record{Partition: 1}, &kgo.Record{Partition: 1})
	k.CommitEpoch(group, topic, 1, 2, 0, "a state")
	k.Commit(group, gone, 0, 0, "")
	k.Delete(gone)
	os, err := inspect.Offsets(t.Context(), c, group)
	must(t, err)
	for _, o := range os {
		switch o.Topic {
		case topic:
			if o.Partition != 1 || o.Committed != 2 || o.State != "a state" || o.Start != 0 || o.End != 3 || o.Err != nil || o.TopicID == [16]byte{} {
				t.Errorf("%+v", o)
			}
		case gone: // brokers delete the offsets, perhaps later
			if o.Err == nil || o.End != -1 {
				t.Errorf("%+v", o)
			}
		}
	}
	if os, err := inspect.Offsets(t.Context(), c, "nobody"); err != nil || len(os) > 0 {
		t.Errorf("%+v, %v", os, err)
	}
}

func TestStore(t *testing.T) {
	begin := func(t *testing.T) (k *kafkatest.Kafka, c *wire.Client, group string, seen inspect.Offset) {
		k = kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		topic := k.Topic(1)
		c, group = client(t, k), kafkatest.Name("group")
		k.Commit(group, topic, 0, 7, "seen")
		os, err := inspect.Offsets(t.Context(), c, group)
		must(t, err)
		return k, c, group, os[0]
	}
	is := func(t *testing.T, c *wire.Client, group string, committed int64, state string) {
		t.Helper()
		os, err := inspect.Offsets(t.Context(), c, group)
		if err != nil || os[0].Committed != committed || os[0].State != state {
			t.Errorf("stored: %+v, %v", os, err)
		}
	}
	t.Run("replaces what was seen", func(t *testing.T) {
		_, c, group, seen := begin(t)
		must(t, inspect.Store(t.Context(), c, group, seen, 8, "new"))
		is(t, c, group, 8, "new")
	})
	t.Run("changes nothing where that has changed since", func(t *testing.T) {
		k, c, group, seen := begin(t)
		for _, change := range []func(){
			func() { k.Commit(group, seen.Topic, 0, 7, "other") },
			func() { k.Commit(group, seen.Topic, 0, 6, "seen") },
			func() { k.CommitEpoch(group, seen.Topic, 0, 7, 3, "seen") },
		} {
			change()
			if err := inspect.Store(t.Context(), c, group, seen, 8, "new"); !errors.Is(err, inspect.ErrChanged) {
				t.Error(err)
			}
		}
		is(t, c, group, 7, "seen")
	})
	t.Run("changes nothing while the group has members", func(t *testing.T) {
		k, c, group, seen := begin(t)
		defer joins(t, k, group, seen.Topic)()
		if err := inspect.Store(t.Context(), c, group, seen, 8, "new"); !errors.Is(err, inspect.ErrMembers) {
			t.Error(err)
		}
		is(t, c, group, 7, "seen")
	})
}

func TestInspectRealKafka(t *testing.T) {
	k := kafkatest.At(t, kafkatest.Real(t))
	topic, c, group := k.Topic(1), client(t, k), kafkatest.Name("group")
	if g, err := inspect.Describe(t.Context(), c, group); err != nil || g.State != "Dead" || len(g.Members) > 0 {
		t.Errorf("a group that is not there: %+v, %v", g, err)
	}
	if os, err := inspect.Offsets(t.Context(), c, group); err != nil || len(os) > 0 {
		t.Errorf("its offsets: %+v, %v", os, err)
	}
	k.Produce(topic, &kgo.Record{}, &kgo.Record{}, &kgo.Record{})
	k.Commit(group, topic, 0, 2, "a state")
	os, err := inspect.Offsets(t.Context(), c, group)
	must(t, err)
	if o := os[0]; len(os) != 1 || o.Committed != 2 || o.State != "a state" || o.Start != 0 || o.End != 3 || o.Err != nil || o.TopicID == [16]byte{} {
		t.Fatalf("%+v", os)
	}
	leaves := joins(t, k, group, topic)
	g, err := inspect.Describe(t.Context(), c, group)
	if err != nil || len(g.Members) != 1 || g.Members[0].Instance != "one" || g.Members[0].Client != "someone" {
		t.Errorf("with a member: %+v, %v", g, err)
	}
	if err := inspect.Store(t.Context(), c, group, os[0], 3, "new"); !errors.Is(err, inspect.ErrMembers) {
		t.Errorf("stored beside a member: %v", err)
	}
	leaves()
	evict(t, k, group)
	must(t, inspect.Store(t.Context(), c, group, os[0], 3, "new"))
	if err := inspect.Store(t.Context(), c, group, os[0], 3, "newer"); !errors.Is(err, inspect.ErrChanged) {
		t.Errorf("stored over another: %v", err)
	}
	if os, err = inspect.Offsets(t.Context(), c, group); err != nil || os[0].Committed != 3 || os[0].State != "new" {
		t.Errorf("stored: %+v, %v", os, err)
	}
}
