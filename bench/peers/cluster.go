package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// cluster is the broker that all peers read from, and a client that inspects it.
type cluster struct {
	name    string
	brokers []string
	client  *kgo.Client
	admin   *kadm.Client
	close   func()

	capacity float64 // throughput of the slowest peer in [waiting]; 0: not measured yet
}

// connect finds the broker of KAFKA_BROKERS, or starts kfake in a process of its own.
func connect() (*cluster, error) {
	c := &cluster{name: "kfake in a process of its own", close: func() {}}
	if real := os.Getenv("KAFKA_BROKERS"); real != "" {
		c.name = strings.TrimSpace("Apache Kafka " + os.Getenv("KAFKA_VERSION"))
		c.brokers = strings.Split(real, ",")
	} else {
		addr, stop, err := testbed.Start()
		if err != nil {
			return nil, err
		}
		c.brokers, c.close = []string{addr}, stop
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), testbed.Uncompressed,
		kgo.ProducerLinger(0), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		c.close()
		return nil, err
	}
	stop := c.close
	c.client, c.admin = cl, kadm.NewClient(cl)
	c.close = func() { cl.Close(); stop() }
	return c, nil
}

// topic creates a topic with the records of a work, and returns its name and the ends of its
// partitions.
func (c *cluster) topic(ctx context.Context, w work) (name string, ends []int64, err error) {
	name = fresh("peers")
	if _, err := c.admin.CreateTopic(ctx, testbed.Partitions, 1, nil, name); err != nil {
		return "", nil, fmt.Errorf("creating topic %s: %w", name, err)
	}
	keys := testbed.Named(w.keys)
	err = testbed.Fill(w.records, w.size, keys, func(rs []*kgo.Record) error {
		for _, r := range rs {
			r.Topic = name
		}
		return c.client.ProduceSync(ctx, rs...).FirstErr()
	})
	if err != nil {
		return "", nil, fmt.Errorf("filling topic %s: %w", name, err)
	}
	// This makes the broker create its topic of offsets, which the first group would have to wait
	// for.
	if _, _, err := c.committed(ctx, fresh("peers"), name); err != nil {
		return "", nil, err
	}
	return name, keys.Ends(w.records), nil
}

func (c *cluster) delete(topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := c.admin.DeleteTopics(ctx, topic); err != nil {
		fmt.Fprintf(os.Stderr, "peers: topic %s stays behind: %v\n", topic, err)
	}
}

// committed returns the group's next offset by partition, 0 without one, and the time after the
// response.
func (c *cluster) committed(ctx context.Context, group, topic string) (offsets []int64, at time.Time, err error) {
	answer, err := c.admin.FetchOffsets(ctx, group)
	if err == nil {
		err = answer.Error()
	}
	// no member has joined yet, or a new broker has no coordinator yet
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) && !kerr.IsRetriable(err) {
		return nil, time.Time{}, fmt.Errorf("committed offsets of group %s: %w", group, err)
	}
	at = time.Now()
	offsets = make([]int64, testbed.Partitions)
	for p := range offsets {
		if o, ok := answer.Lookup(topic, int32(p)); ok {
			offsets[p] = max(0, o.At)
		}
	}
	return offsets, at, nil
}

// fresh returns a unique name.
func fresh(prefix string) string { return prefix + "-" + strings.ToLower(rand.Text()[:12]) }
