package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kitchen is an embedded broker with a topic of orders and other, empty topics.
func kitchen(orders []string, topics ...string) (brokers []string, end func()) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, append(topics, "orders")...))
	if err != nil {
		log.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	for _, o := range orders {
		if err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: "orders", Value: []byte(o)}).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	return c.ListenAddrs(), c.Close
}

// show prints all records of a topic.
func show(brokers []string, topic string, say func(kafka.Message)) {
	from := map[stream.TopicPartition]source.Span{{Topic: topic}: {From: source.Earliest, To: source.Latest}}
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Partitions: from}).
		Serial(func(_ context.Context, m kafka.Message) error { say(m); return nil }).
		Run(context.Background())
	if err != nil {
		log.Fatal(err)
	}
}

func cook(_ context.Context, m kafka.Message) (kafka.Message, error) {
	if bytes.Equal(m.Value, []byte("sand")) {
		return m, errors.New("nobody eats that")
	}
	m.Value = append([]byte("hot "), m.Value...)
	return m, nil
}

// Messages go to the topic of the configuration, whatever topic they came from, with key, headers
// and time.
func ExampleKafka() {
	brokers, end := kitchen([]string{"coffee", "tea"}, "meals")
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	served := 0
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "kitchen", Topics: []string{"orders"}}).
		Map(cook).
		To(sink.Kafka(sink.KafkaConfig{Brokers: brokers, Topic: "meals", Compression: kafka.Zstd})).
		Serial(func(context.Context, kafka.Message) error { // below To: the brokers have it
			if served++; served == 2 {
				stop()
			}
			return nil
		}).
		CommitEvery(1000, time.Second).
		Run(ctx)
	show(brokers, "meals", func(m kafka.Message) { fmt.Printf("%s\n", m.Value) })
	fmt.Println(err)
	// Output:
	// hot coffee
	// hot tea
	// <nil>
}

// A failed record is written unchanged to another topic, with what happened to it.
func ExampleDeadLetter() {
	brokers, end := kitchen([]string{"coffee", "sand"}, "orders.dlq")
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "kitchen", Topics: []string{"orders"}}).
		Map(cook, stream.Named("cook")).
		DeadLetterOnError(sink.DeadLetter(sink.KafkaConfig{Brokers: brokers})).
		CommitEvery(2, time.Second).
		Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.Committed); ok {
				stop()
			}
		}}))
	show(brokers, "orders.dlq", func(m kafka.Message) {
		l, _ := ops.LetterOf(m)
		fmt.Printf("%s, from %s[%d]@%d: %s: %s\n", m.Value, l.Topic, l.Partition, l.Offset, l.Step, l.Error)
	})
	fmt.Println(err)
	// Output:
	// sand, from orders[0]@1: cook: nobody eats that
	// <nil>
}

// Results and offsets are committed in one transaction. A reader with
// isolation.level=read_committed sees each result once.
func ExampleKafkaTransaction() {
	brokers, end := kitchen([]string{"coffee", "tea"}, "meals")
	defer end()
	ctx, stop := context.WithCancel(context.Background())
	err := source.Kafka(source.KafkaConfig{Brokers: brokers, Group: "kitchen", Topics: []string{"orders"}}).
		Map(cook).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: brokers, Topic: "meals"}, "kitchen"), 2, 0).
		HaltOnError().
		Run(ctx, stream.Observe(stream.Observer{Event: func(e stream.Event) {
			if _, ok := e.(stream.Committed); ok {
				stop()
			}
		}}))
	show(brokers, "meals", func(m kafka.Message) { fmt.Printf("%s\n", m.Value) })
	fmt.Println(err)
	// Output:
	// hot coffee
	// hot tea
	// <nil>
}
