package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/laneway-go/laneway/source"
)

const partitions = 8

// broker is the Kafka of this run, seen through a client that is not Laneway's: what it reads back was really stored.
type broker struct {
	name   string
	addrs  []string
	topic  string
	group  string
	client *kgo.Client
	fake   *kfake.Cluster // nil: a real one
}

// connect starts a broker in this process, or takes those of KAFKA_BROKERS, and makes a topic.
func connect(ctx context.Context) (*broker, error) {
	id := strings.ToLower(rand.Text()[:6])
	b := &broker{topic: "orders-" + id, group: "quickstart-" + id}
	if env := os.Getenv("KAFKA_BROKERS"); env != "" {
		b.name, b.addrs = "Kafka at "+env, strings.Split(env, ",")
	} else {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return nil, fmt.Errorf("starting a broker in this process: %w", err)
		}
		b.fake, b.name, b.addrs = fake, "a broker in this process (KAFKA_BROKERS is not set)", fake.ListenAddrs()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	b.client = client
	if err := b.createTopic(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("%s: creating topic %s: %w", b.name, b.topic, err)
	}
	return b, nil
}

func (b *broker) config() source.KafkaConfig {
	return source.KafkaConfig{Brokers: b.addrs, Group: b.group, Topics: []string{b.topic}}
}

// close removes what the run has made, as far as it can, and ends the broker if it is ours.
func (b *broker) close() {
	if b.fake == nil {
		b.remove()
	}
	b.client.Close()
	if b.fake != nil {
		b.fake.Close()
	}
}

func (b *broker) createTopic(ctx context.Context) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = b.topic, partitions, -1 // as many replicas as the cluster likes
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 5000
	resp, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

func (b *broker) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &b.topic
	topics := kmsg.NewPtrDeleteTopicsRequest()
	topics.Topics, topics.TopicNames, topics.TimeoutMillis = append(topics.Topics, t), []string{b.topic}, 1000
	_, _ = topics.RequestWith(ctx, b.client) // what stays is told apart by its name
	groups := kmsg.NewPtrDeleteGroupsRequest()
	groups.Groups = []string{b.group}
	_, _ = groups.RequestWith(ctx, b.client)
}

// offsets returns, by partition, what the group has committed and where the log ends, as the broker says.
func (b *broker) offsets(ctx context.Context) (committed, ends map[int]int64, err error) {
	committed, ends = map[int]int64{}, map[int]int64{}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = b.group // no topics: all that it has
	stored, err := fetch.RequestWith(ctx, b.client)
	if err == nil {
		err = kerr.ErrorForCode(stored.ErrorCode)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading what %s has committed: %w", b.group, err)
	}
	for _, t := range stored.Topics {
		for _, p := range t.Partitions {
			committed[int(p.Partition)] = p.Offset
		}
	}
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = b.topic
	for n := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(n), -1 // the end
		topic.Partitions = append(topic.Partitions, p)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.Topics = append(list.Topics, topic)
	listed, err := list.RequestWith(ctx, b.client)
	if err != nil {
		return nil, nil, fmt.Errorf("reading where %s ends: %w", b.topic, err)
	}
	for _, t := range listed.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, nil, fmt.Errorf("reading where %s[%d] ends: %w", b.topic, p.Partition, err)
			}
			ends[int(p.Partition)] = p.Offset
		}
	}
	return committed, ends, nil
}
