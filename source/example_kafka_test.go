package source_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A worker of a consumer group starts at the group's committed offsets, and ends when its context
// ends.
func ExampleKafka() {
	brokers, stop := brokersWith("orders", "coffee", "tea", "cake")
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	served := 0
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "kitchen", Topics: []string{"orders"}}).
		GroupByKey().
		Concurrent(8, func(_ context.Context, m kafka.Message) error {
			fmt.Printf("%d: %s\n", m.Offset, m.Value)
			if served++; served == 3 {
				cancel()
			}
			return nil
		}).
		CommitEvery(1000, time.Second).
		Run(ctx)
	fmt.Println(err)
	// Output:
	// 0: coffee
	// 1: tea
	// 2: cake
	// <nil>
}

// A replay reads named partitions without a group, commits nothing and ends on its own.
func ExampleKafka_replay() {
	brokers, stop := brokersWith("orders", "coffee", "tea", "cake")
	defer stop()
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Partitions: map[stream.TopicPartition]source.Span{
		{Topic: "orders", Partition: 0}: {From: source.AtOffset(1), To: source.Latest},
	}}).
		Serial(func(_ context.Context, m kafka.Message) error {
			fmt.Printf("%d: %s\n", m.Offset, m.Value)
			return nil
		}).
		Run(context.Background())
	fmt.Println(err)
	// Output:
	// 1: tea
	// 2: cake
	// <nil>
}

// brokersWith starts a broker in this process, with a topic of one partition that holds the values,
// all with the key "table 4".
func brokersWith(topic string, values ...string) (addrs []string, stop func()) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		log.Fatal(err)
	}
	p, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	for _, v := range values {
		if err := p.ProduceSync(context.Background(), kgo.KeyStringRecord("table 4", v)).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	return k.ListenAddrs(), k.Close
}
