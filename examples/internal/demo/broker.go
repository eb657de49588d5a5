package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is the Kafka of this run.
type broker struct {
	name   string
	addrs  []string
	id     string // suffix of the names created by the run
	topics map[string]int
	groups []string
	client *kgo.Client
	fake   *kfake.Cluster // nil for a real one
}

func brokersOf(env string) []string {
	if env == "" {
		return nil
	}
	return strings.Split(env, ",")
}

// connect uses the named brokers, or starts one in this process.
func connect(addrs []string) (*broker, error) {
	b := &broker{id: strings.ToLower(rand.Text()[:6]), topics: map[string]int{}}
	if b.addrs = addrs; len(addrs) > 0 {
		b.name = "Kafka at " + strings.Join(addrs, ",")
	} else {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return nil, fmt.Errorf("starting a broker in this process: %w", err)
		}
		b.fake, b.name, b.addrs = fake, "a broker in this process (KAFKA_BROKERS is not set)", fake.ListenAddrs()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// a broker does not know a new topic at once
		kgo.MetadataMinAge(100*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	b.client = client
	return b, nil
}

// close removes the topics and groups of the run as far as it can, and ends the broker if it is
// ours.
func (b *broker) close() {
	if b.fake == nil {
		b.remove()
	}
	b.client.Close()
	if b.fake != nil {
		b.fake.Close()
	}
}

func (b *broker) newGroup(name string) string {
	group := name + "-" + b.id
	b.groups = append(b.groups, group)
	return group
}

func (b *broker) partitions(topic string) int { return b.topics[topic] }

func (b *broker) newTopic(ctx context.Context, name string, partitions int) (string, error) {
	t := kmsg.NewCreateTopicsRequestTopic()
	// the cluster's default number of replicas
	t.Topic, t.NumPartitions, t.ReplicationFactor = name+"-"+b.id, int32(partitions), -1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 5000
	resp, err := req.RequestWith(ctx, b.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return "", fmt.Errorf("%s: creating topic %s: %w", b.name, t.Topic, err)
	}
	b.topics[t.Topic] = partitions
	return t.Topic, nil
}

func (b *broker) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	topics := kmsg.NewPtrDeleteTopicsRequest()
	topics.TimeoutMillis = 1000
	for name := range b.topics {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		topics.Topics, topics.TopicNames = append(topics.Topics, t), append(topics.TopicNames, name)
	}
	_, _ = topics.RequestWith(ctx, b.client) // the suffix marks leftovers
	groups := kmsg.NewPtrDeleteGroupsRequest()
	groups.Groups = b.groups
	_, _ = groups.RequestWith(ctx, b.client)
}

func (b *broker) offsets(ctx context.Context, group, name string) (committed, ends map[int]int64, err error) {
	committed, ends = map[int]int64{}, map[int]int64{}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = group // no topics: all offsets of the group
	stored, err := fetch.RequestWith(ctx, b.client)
	if err == nil {
		err = kerr.ErrorForCode(stored.ErrorCode)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the offsets of group %s: %w", group, err)
	}
	for _, t := range stored.Topics {
		for _, p := range t.Partitions {
			if t.Topic == name {
				committed[int(p.Partition)] = p.Offset
			}
		}
	}
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for n := range b.topics[name] {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(n), -1 // -1: the end
		topic.Partitions = append(topic.Partitions, p)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.Topics = append(list.Topics, topic)
	listed, err := list.RequestWith(ctx, b.client)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the end of %s: %w", name, err)
	}
	for _, t := range listed.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, nil, fmt.Errorf("reading the end of %s[%d]: %w", name, p.Partition, err)
			}
			ends[int(p.Partition)] = p.Offset
		}
	}
	return committed, ends, nil
}
