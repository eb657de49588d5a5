package kafkatest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience bounds every wait of this package. It is much longer than anything takes on a busy
// machine, and much shorter than the limit of a test.
const patience = 30 * time.Second

// Kafka inspects a cluster, fake or real, for one test.
type Kafka struct {
	Brokers []string
	// Client is for requests without a helper. It joins no group, and produces each record to the
	// record's own Partition.
	Client *kgo.Client

	t    testing.TB
	opts []kgo.Opt // of Client
}

// At connects to the cluster with these brokers, until the test ends. opts are added to those of
// the client.
func At(t testing.TB, brokers []string, opts ...kgo.Opt) *Kafka {
	t.Helper()
	k := &Kafka{Brokers: brokers, t: t, opts: opts}
	k.connect()
	return k
}

// connect creates the client.
func (k *Kafka) connect() {
	k.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, k.opts...)...)
	if err != nil {
		k.t.Fatalf("kafkatest: a client for %v: %v", k.Brokers, err)
	}
	k.t.Cleanup(cl.Close)
	k.Client = cl
}

// Name returns a unique name for a topic or a group. Real brokers are shared and outlive a test.
func Name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:12]) }

// Topic creates a topic with a unique name, and returns the name once every partition has a leader.
// The topic is deleted when the test ends. Each config is "key=value", such as
// "cleanup.policy=compact".
func (k *Kafka) Topic(partitions int, config ...string) string {
	k.t.Helper()
	return k.TopicNamed(Name("topic"), partitions, config...)
}

// TopicNamed is Topic with a given name, which it returns.
func (k *Kafka) TopicNamed(name string, partitions int, config ...string) string {
	k.t.Helper()
	return k.create(name, partitions, 1, config)
}

// Replicated is Topic with that many replicas of each partition.
func (k *Kafka) Replicated(partitions, replicas int, config ...string) string {
	k.t.Helper()
	return k.create(Name("topic"), partitions, replicas, config)
}

// Delete deletes a topic and waits until the cluster no longer knows it.
func (k *Kafka) Delete(topic string) {
	k.t.Helper()
	k.delete(k.Client, topic)
	k.until(fmt.Sprintf("topic %s is gone", topic), func(ctx context.Context) (string, bool, error) {
		seen, err := k.topic(ctx, topic)
		if err != nil {
			return "", false, err
		}
		return "it is there", errors.Is(kerr.ErrorForCode(seen.ErrorCode), kerr.UnknownTopicOrPartition), nil
	})
}

// Recreate deletes a topic and creates one of the same name, which is empty and has another id. It
// replaces the Client, since the old one knows the old topic.
func (k *Kafka) Recreate(topic string, partitions int, config ...string) {
	k.t.Helper()
	k.Delete(topic)
	k.connect()
	k.create(topic, partitions, 1, config)
}

func (k *Kafka) create(name string, partitions, replicas int, config []string) string {
	k.t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, int32(partitions), int16(replicas)
	for _, line := range config {
		name, value, _ := strings.Cut(line, "=")
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		rt.Configs = append(rt.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), int32(patience.Milliseconds())
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	resp, err := req.RequestWith(ctx, k.Client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		k.t.Fatalf("kafkatest: creating topic %s with %d partitions: %v", rt.Topic, partitions, err)
	}
	by := k.Client
	k.t.Cleanup(func() { k.delete(by, rt.Topic) })
	k.until(fmt.Sprintf("topic %s has %d partitions with leaders", rt.Topic, partitions), func(ctx context.Context) (string, bool, error) {
		return k.led(ctx, rt.Topic, partitions)
	})
	return rt.Topic
}

func (k *Kafka) led(ctx context.Context, topic string, partitions int) (string, bool, error) {
	seen, err := k.topic(ctx, topic)
	if err != nil {
		return "", false, err
	}
	if err := kerr.ErrorForCode(seen.ErrorCode); err != nil {
		// for a moment after its creation, brokers do not know a topic
		return err.Error(), false, nil
	}
	led := 0
	for _, p := range seen.Partitions {
		if p.ErrorCode == 0 && p.Leader >= 0 {
			led++
		}
	}
	return fmt.Sprintf("%d of them", led), led == partitions, nil
}

// topic returns the cluster's current metadata of a topic.
func (k *Kafka) topic(ctx context.Context, topic string) (seen kmsg.MetadataResponseTopic, err error) {
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, k.Client)
	if err != nil {
		return seen, err
	}
	return resp.Topics[0], nil
}

func (k *Kafka) delete(by *kgo.Client, topic string) {
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TopicNames, req.Topics, req.TimeoutMillis = []string{topic}, append(req.Topics, rt), 5000
	// The test's own context has ended when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := req.RequestWith(ctx, by); err != nil {
		k.t.Logf("kafkatest: topic %s stays behind: %v", topic, err)
	}
}

// Produce writes records to the topic, each to its own Partition field, and waits until all in-sync
// replicas have them. Records of one partition keep their order.
func (k *Kafka) Produce(topic string, records ...*kgo.Record) {
	k.t.Helper()
	for _, r := range records {
		r.Topic = topic
	}
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	if err := k.Client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		k.t.Fatalf("kafkatest: producing %d records to %s: %v", len(records), topic, err)
	}
}

// until polls, since a broker offers no event, until ask is done. On timeout it fails the test with
// what was seen last.
func (k *Kafka) until(what string, ask func(context.Context) (seen string, done bool, err error)) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for last := "nothing"; ; {
		seen, done, err := ask(ctx)
		switch {
		case done:
			return
		case err == nil:
			last = seen
		case !errors.Is(err, context.DeadlineExceeded):
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			k.t.Fatalf("kafkatest: waited %v until %s; last seen: %s", patience, what, last)
		case <-tick.C:
		}
	}
}
