package source_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/kafkaerr"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestKafkaSpan(t *testing.T) {
	t.Run("is read to its end", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(3, "orders"))
		write(t, producer(t, k), "orders", 3, 1000)
		got := newRecorder()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{
			{Topic: "orders", Partition: 0}: {From: source.AtOffset(10), To: source.AtOffset(25)},
			{Topic: "orders", Partition: 1}: {To: source.Latest},
			{Topic: "orders", Partition: 2}: {From: source.AtOffset(5), To: source.AtOffset(5)},
		}}).GroupByPartition().Concurrent(2, got.record))
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
	})
	t.Run("without an end follows the log", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		prod := producer(t, k)
		write(t, prod, "orders", 1, 10)
		got := newRecorder()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders"}: {From: source.AtOffset(8)}}}).Serial(got.record))
		got.wait(t, 2)
		write(t, prod, "orders", 1, 3)
		got.wait(t, 5)
		r.stop()
	})
	t.Run("waits for its end to be found", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
		write(t, producer(t, k), "orders", 1, 10)
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition})
		got := newRecorder()
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(),
			Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders"}: {From: source.AtOffset(8), To: source.Latest}}}).Serial(got.record))
		if err := r.result(); err != nil {
			t.Fatal(err)
		}
		got.wait(t, 2)
	})
	t.Run("of a missing partition is refused", func(t *testing.T) {
		k := cluster(t, kfake.NumBrokers(1), kfake.SeedTopics(2, "orders"))
		r := run(t, source.Kafka(source.KafkaConfig{Brokers: k.ListenAddrs(), Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders", Partition: 7}: {}}}).Serial(newRecorder().record))
		var missing *kafkaerr.TopicError
		if err := r.result(); !errors.As(err, &missing) || !strings.Contains(err.Error(), "partition 7") {
			t.Fatalf("error: %v", err)
		}
	})
}

func TestKafkaConfigFaults(t *testing.T) {
	t.Run("are reported all at once", func(t *testing.T) {
		_, err := source.Kafka(source.KafkaConfig{
			Brokers: []string{"broker-1"}, Topics: []string{"or ders"}, InstanceID: "a", Balancers: []source.Balancer{"fair"}, MaxWait: time.Minute,
			SessionTimeout: time.Second, HeartbeatInterval: 2 * time.Second, MaxDecompressed: -1, Reset: source.At(time.Now()), UnknownTopicTimeout: -1,
		}).Serial(newRecorder().record).CommitEach().Build()
		for _, want := range []string{"broker-1", "or ders", "none is named", "InstanceID", "fair", "MaxWait", "heartbeat", "MaxDecompressed", "Reset", "UnknownTopicTimeout"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in: %v", want, err)
			}
		}
		var fault *stream.BuildError
		if !errors.As(err, &fault) || fault.Fix == "" {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("include a group without a commit, and a commit without a group", func(t *testing.T) {
		if _, err := source.Kafka(source.KafkaConfig{Brokers: []string{"b:9092"}, Group: "g", Topics: []string{"orders"}}).Serial(newRecorder().record).Build(); err == nil {
			t.Error("a group without a commit was accepted")
		}
		bare := source.KafkaConfig{Brokers: []string{"b:9092"}, Partitions: map[stream.TopicPartition]source.Span{{Topic: "orders"}: {}}}
		if _, err := source.Kafka(bare).Serial(newRecorder().record).CommitEach().Build(); err == nil {
			t.Error("a commit without a group was accepted")
		}
	})
	t.Run("include a span that begins below 0", func(t *testing.T) {
		_, err := source.Kafka(source.KafkaConfig{Brokers: []string{"b:9092"}, Partitions: map[stream.TopicPartition]source.Span{
			{Topic: "orders"}: {From: source.AtOffset(-5)}}}).Serial(newRecorder().record).Build()
		if err == nil || !strings.Contains(err.Error(), "begins at offset -5: count from 0") {
			t.Error(err)
		}
	})
}

func TestKafkaConfig(t *testing.T) {
	good := func() source.KafkaConfig {
		return source.KafkaConfig{Brokers: []string{"b:9092"}, Group: "g", Topics: []string{"orders"}}
	}
	for name, c := range map[string]struct {
		change func(*source.KafkaConfig)
		want   string // the only fault
	}{
		"topic named twice":                   {func(c *source.KafkaConfig) { c.Topics = []string{"orders", "bills", "orders"} }, `topic "orders" is named twice: name each topic once`},
		"a session that Kafka cannot count":   {func(c *source.KafkaConfig) { c.SessionTimeout = 720 * time.Hour }, "SessionTimeout is 720h0m0s: Kafka counts it in milliseconds, up to 596h31m23.647s"},
		"a rebalance that Kafka cannot count": {func(c *source.KafkaConfig) { c.RebalanceTimeout = math.MaxInt64 }, "RebalanceTimeout is 2562047h47m16.854775807s: Kafka counts it"},
		"rebalance shorter than a heartbeat": {func(c *source.KafkaConfig) { c.RebalanceTimeout = 2 * time.Second },
			"a rebalance of 2s may end before a heartbeat, every 3s, reports it: make RebalanceTimeout longer"},
		"no group, with a commit": {func(c *source.KafkaConfig) { c.Group = "" },
			"Topics are read by a group, and none is named: set Group"},
		"nothing to read": {func(c *source.KafkaConfig) { c.Group, c.Topics = "", nil }, "there is nothing to read"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			_, err := source.Kafka(cfg).Serial(newRecorder().record).CommitEach().Build()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") != 1 {
				t.Errorf("want %q alone: %v", c.want, err)
			}
		})
	}
	t.Run("no group, above every word, in a Merge and in a branch", func(t *testing.T) {
		cfg := good()
		cfg.Group = ""
		do, from := newRecorder().record, source.Kafka
		type messages = stream.Stream[kafka.Message]
		for name, s := range map[string]messages{
			"CommitEvery":  from(cfg).Serial(do).CommitEvery(10, time.Second),
			"CommitBefore": from(cfg).CommitBefore(10, time.Second).Serial(do),
			"ParkOnError":  from(cfg).GroupByKey().Concurrent(2, do).ParkOnError().CommitEach(),
			"nothing":      from(cfg).Serial(do),
			"Merge":        stream.Merge(from(cfg).As("a"), from(good()).As("b")).Serial(do).CommitEach(),
			"Merge of two": stream.Merge(stream.Merge(from(cfg).As("a"), from(good()).As("b")), from(good()).As("c")).Serial(do).CommitEach(),
			"AlsoTo":       from(cfg).AlsoTo(func(s messages) messages { return s.Serial(do) }).Serial(do).CommitEach(),
		} {
			_, err := s.Build()
			if err == nil || !strings.Contains(err.Error(), "none is named: set Group") || strings.Contains(err.Error(), "remove the word") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("valid", func(t *testing.T) {
		cfg := good()
		// the default heartbeat is then every 2 s
		cfg.SessionTimeout, cfg.RebalanceTimeout = 6*time.Second, 2*time.Second
		if _, err := source.Kafka(cfg).Serial(newRecorder().record).CommitEach().Build(); err != nil {
			t.Error(err)
		}
	})
}
