package source_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestKafkaReplaysASpanAndEnds(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(3, "orders"))
	write(t, producer(t, k), "orders", 3, 1000)
	got := newSeen()
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{
		{Topic: "orders", Partition: 0}: {From: source.AtOffset(10), To: source.AtOffset(25)},
		{Topic: "orders", Partition: 1}: {To: source.Latest},
		{Topic: "orders", Partition: 2}: {From: source.AtOffset(5), To: source.AtOffset(5)},
	}}).GroupByPartition().Concurrent(2, got.take))
	if err := r.result(); err != nil {
		t.Fatal(err)
	}
	msgs := got.wait(t, 1015)
	var first []int64
	for _, m := range msgs {
		if m.Partition == 0 {
			first = append(first, m.Offset)
		}
	}
	if len(first) != 15 || !slices.IsSorted(first) || first[0] != 10 || first[14] != 24 {
		t.Errorf("partition 0: %v", first)
	}
}

func TestKafkaFollowsAPartitionWithoutAGroup(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	prod := producer(t, k)
	write(t, prod, "orders", 1, 10)
	got := newSeen()
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders"}: {From: source.AtOffset(8)}}}).Serial(got.take))
	got.wait(t, 2)
	write(t, prod, "orders", 1, 3)
	got.wait(t, 5)
	r.stop()
}

func TestKafkaWithoutAGroupHasNoPartitionThatIsNotThere(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
	r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders", Partition: 7}: {}}}).Serial(newSeen().take))
	var missing *kafkaerr.TopicError
	if err := r.result(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "partition 7") {
		t.Fatalf("error: %v", err)
	}
}

func TestKafkaConfigurationIsToldAllThatIsWrongAtOnce(t *testing.T) {
	_, err := source.Kafka(source.KafkaConfig{
		Brokers: []string{"broker-1"}, Topics: []string{"or ders"}, InstanceID: "a", Balancers: []source.Balancer{"fair"}, MaxWait: time.Minute,
		SessionTimeout: time.Second, HeartbeatInterval: 2 * time.Second, MaxDecompressed: -1, Reset: source.At(time.Now()), UnknownTopicTimeout: -1,
	}).Serial(newSeen().take).CommitEach().Build()
	for _, want := range []string{"broker-1", "or ders", "none is named", "InstanceID", "fair", "MaxWait", "heartbeat", "MaxDecompressed", "Reset", "UnknownTopicTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %q in: %v", want, err)
		}
	}
	var fault *stream.BuildError
	if !errors.As(err, &fault) || fault.Fix == "" {
		t.Errorf("error: %v", err)
	}
}

func TestKafkaGroupWithoutACommitIsRefusedAndTheOtherWayRound(t *testing.T) {
	if _, err := source.Kafka(source.KafkaConfig{Brokers: []string{"b:9092"}, Group: "g", Topics: []string{"orders"}}).Serial(newSeen().take).Build(); err == nil {
		t.Error("a group without a commit was accepted")
	}
	bare := source.KafkaConfig{Brokers: []string{"b:9092"}, Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders"}: {}}}
	if _, err := source.Kafka(bare).Serial(newSeen().take).CommitEach().Build(); err == nil {
		t.Error("a commit without a group was accepted")
	}
}

func TestKafkaConfig(t *testing.T) {
	good := func() source.KafkaConfig {
		return source.KafkaConfig{Brokers: []string{"b:9092"}, Group: "g", Topics: []string{"orders"}}
	}
	for name, c := range map[string]struct {
		change func(*source.KafkaConfig)
		want   string // the only fault
	}{
		"a topic is named twice": {func(c *source.KafkaConfig) { c.Topics = []string{"orders", "bills", "orders"} }, `topic "orders" is named twice: name each topic once`},
		"a rebalance is shorter than a heartbeat": {func(c *source.KafkaConfig) { c.RebalanceTimeout = 2 * time.Second },
			"a rebalance of 2s may be over before a heartbeat, every 3s, tells of it: make RebalanceTimeout longer"},
		"the group is empty, which is no reason to take the commit out": {func(c *source.KafkaConfig) { c.Group = "" },
			"Topics are read by a group, and none is named: set Group"},
		"nothing is to be read": {func(c *source.KafkaConfig) { c.Group, c.Topics = "", nil }, "there is nothing to read"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			_, err := source.Kafka(cfg).Serial(newSeen().take).CommitEach().Build()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") != 1 {
				t.Errorf("want %q alone: %v", c.want, err)
			}
		})
	}
	t.Run("is right as it stands", func(t *testing.T) {
		cfg := good()
		// heartbeats every 2 s then
		cfg.SessionTimeout, cfg.RebalanceTimeout = 6*time.Second, 2*time.Second
		if _, err := source.Kafka(cfg).Serial(newSeen().take).CommitEach().Build(); err != nil {
			t.Error(err)
		}
	})
}
