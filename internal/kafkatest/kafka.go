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

// patience bounds every wait of this package: far longer than anything takes on a busy machine, far
// shorter than a test's own limit.
const patience = 30 * time.Second

// Kafka looks at a cluster from outside, fake or real, on behalf of one test.
type Kafka struct {
	Brokers []string
	// for requests that have no helper; it joins no group, and produces to each record's own
	// Partition
	Client *kgo.Client

	t    testing.TB
	opts []kgo.Opt // of Client
}

// At opens a look at the cluster that has these brokers; it closes when the test ends. opts are
// added to its client's.
func At(t testing.TB, brokers []string, opts ...kgo.Opt) *Kafka {
	t.Helper()
	k := &Kafka{Brokers: brokers, t: t, opts: opts}
	k.connect()
	return k
}

// connect makes the client.
func (k *Kafka) connect() {
	k.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, k.opts...)...)
	if err != nil {
		k.t.Fatalf("kafkatest: a client for %v: %v", k.Brokers, err)
	}
	k.t.Cleanup(cl.Close)
	k.Client = cl
}

// Name makes a name for a topic or a group that nothing else has: real brokers are shared, and
// outlive a test.
func Name(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:12]) }

// Topic creates a topic of its own for the test and returns its name when every partition has a
// leader; it is deleted when the test ends. config lines are "key=value", such as
// "cleanup.policy=compact".
func (k *Kafka) Topic(partitions int, config ...string) string {
	k.t.Helper()
	return k.TopicNamed(Name("topic"), partitions, config...)
}

// TopicNamed is Topic with a name that something has to have. It returns the name.
func (k *Kafka) TopicNamed(name string, partitions int, config ...string) string {
	k.t.Helper()
	return k.create(name, partitions, 1, config)
}

// Replicated is Topic with that many replicas of each partition.
func (k *Kafka) Replicated(partitions, replicas int, config ...string) string {
	k.t.Helper()
	return k.create(Name("topic"), partitions, replicas, config)
}

// Delete deletes a topic, and returns when the cluster does not know it any more.
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

// Recreate deletes a topic and makes one of the same name, which has another id and nothing in it.
// The Client is a new one: the one before knows the old topic.
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
		// for a moment after its creation brokers do not know a topic
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

// topic is what the cluster says of one now.
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
	// Not the test's context: it has ended when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := req.RequestWith(ctx, by); err != nil {
		k.t.Logf("kafkatest: topic %s stays behind: %v", topic, err)
	}
}

// Produce writes records to the topic, each to its own Partition field, and returns when all are
// acknowledged by every in-sync replica. Records of one partition keep their order.
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

// until asks again and again, since a broker offers no event, until done; it fails the test with
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
