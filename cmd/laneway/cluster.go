package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/spf13/pflag"
)

// cluster says how to reach Kafka.
type cluster struct {
	brokers, user, mechanism string
	tls                      bool
	*authority
}

// passwordVariable holds the password, since every user of the machine can read a flag.
const passwordVariable = "LANEWAY_PASSWORD"

var errNoBrokers = usage("no brokers are given: use --brokers, or KAFKA_BROKERS")

func (c *cluster) flags(f *pflag.FlagSet) {
	f.StringVar(&c.brokers, "brokers", os.Getenv("KAFKA_BROKERS"), "brokers to start from, `host:port`, separated by commas (KAFKA_BROKERS)")
	f.BoolVar(&c.tls, "tls", false, "use TLS")
	if c.authority == nil {
		c.authority = authorityOf(f)
	}
	f.StringVar(&c.user, "user", "", "log in with SASL as this `user`, with the password in "+passwordVariable)
	f.StringVar(&c.mechanism, "mechanism", "SCRAM-SHA-512", "SASL `mechanism`: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
}

func (c *cluster) addrs() []string { return strings.Split(c.brokers, ",") }

func (c *cluster) transport() (*kafka.Transport, error) {
	t := &kafka.Transport{ClientID: "laneway"}
	if c.tls || c.ca != "" {
		pool, err := c.pool()
		if err != nil {
			return nil, err
		}
		t.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	if c.user == "" {
		return t, nil
	}
	password := os.Getenv(passwordVariable)
	var err error
	var m sasl.Mechanism
	switch c.mechanism {
	case "SCRAM-SHA-512":
		m, err = scram.Mechanism(scram.SHA512, c.user, password)
	case "SCRAM-SHA-256":
		m, err = scram.Mechanism(scram.SHA256, c.user, password)
	case "PLAIN":
		m = plain.Mechanism{Username: c.user, Password: password}
	default:
		err = fmt.Errorf("--mechanism %s is unknown: use SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", c.mechanism)
	}
	t.SASL = m
	return t, err
}

// log reads the state of one topic.
type log struct {
	client     *kafka.Client
	topic      string
	partitions []int
}

// look finds the partitions of a topic.
func (c *cluster) look(ctx context.Context, t *kafka.Transport, topic string) (*log, error) {
	client := &kafka.Client{Addr: kafka.TCP(c.addrs()...), Transport: t}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("finding the partitions of %s: %w", topic, err)
	}
	if len(meta.Topics) == 0 {
		return nil, fmt.Errorf("the cluster returned no metadata of topic %s", topic)
	}
	if err := meta.Topics[0].Error; err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	l := &log{client: client, topic: topic}
	for _, p := range meta.Topics[0].Partitions {
		l.partitions = append(l.partitions, p.ID)
	}
	return l, nil
}

// ends returns the current end offsets of the partitions.
func (l *log) ends(ctx context.Context) (map[stream.TopicPartition]int64, error) {
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}, IsolationLevel: kafka.ReadCommitted}
	for _, p := range l.partitions {
		req.Topics[l.topic] = append(req.Topics[l.topic], kafka.LastOffsetOf(p))
	}
	resp, err := l.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetching the end offsets of %s: %w", l.topic, err)
	}
	ends := map[stream.TopicPartition]int64{}
	for _, p := range resp.Topics[l.topic] {
		if p.Error != nil {
			err = errors.Join(err, fmt.Errorf("fetching the end offset of %s[%d]: %w", l.topic, p.Partition, p.Error))
		}
		ends[stream.TopicPartition{Topic: l.topic, Partition: p.Partition}] = p.LastOffset
	}
	return ends, err
}

// left returns the part of each partition, up to its end, that the group has not committed.
func (l *log) left(ctx context.Context, group string, ends map[stream.TopicPartition]int64) (map[stream.TopicPartition]source.Span, error) {
	stored, err := l.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{l.topic: l.partitions}})
	// a new group has no offsets
	if err == nil && !errors.Is(stored.Error, kafka.GroupIdNotFound) {
		err = stored.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the offsets of group %s on %s: %w", group, l.topic, err)
	}
	spans := map[stream.TopicPartition]source.Span{}
	for tp, end := range ends {
		spans[tp] = source.Span{From: source.Earliest, To: source.AtOffset(end)}
	}
	for _, p := range stored.Topics[l.topic] {
		if p.Error != nil {
			err = errors.Join(err, fmt.Errorf("the offset of group %s on %s[%d]: %w", group, l.topic, p.Partition, p.Error))
		}
		tp := stream.TopicPartition{Topic: l.topic, Partition: p.Partition}
		if p.CommittedOffset >= 0 {
			spans[tp] = source.Span{From: source.AtOffset(min(p.CommittedOffset, ends[tp])), To: source.AtOffset(ends[tp])}
		}
	}
	return spans, err
}
