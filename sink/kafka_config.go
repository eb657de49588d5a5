package sink

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/produce"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

// KafkaConfig says where and how to write to Kafka. The zero value of every field but Brokers
// selects its default.
type KafkaConfig struct {
	// Brokers are addresses (host:port) to start from: two or three brokers of the cluster, or
	// names that resolve to them. The others are discovered. All must belong to one cluster.
	Brokers []string

	// Topic is the topic for all messages, whatever topic a message names, so a record read from
	// one topic can be written to another unchanged. If empty, each message goes to the topic it
	// names. The user needs WRITE and DESCRIBE on it. Writing never creates a topic.
	Topic string

	// Transport provides Dial, DialTimeout, IdleTimeout, TLS, SASL, Resolver and ClientID. Default:
	// plain TCP. It is only read, and may be shared. Wrong credentials or an untrusted certificate
	// end Run before the source starts.
	Transport *kafka.Transport

	// ClientID is the name that brokers use for logs and quotas (client.id). Default: the
	// Transport's.
	ClientID string

	// Balancer chooses partitions (partitioner.class). Any of kafka-go's will do; it is called
	// concurrently. Default: by the murmur2 hash of the key, like Java's producer, so that a key
	// goes where other producers put it. Records without a key all go to one partition until a
	// batch is sent, then to another.
	Balancer kafka.Balancer

	// Compression is how batches are compressed (compression.type): kafka.Gzip, Snappy, Lz4 or
	// Zstd. Default: none.
	Compression kafka.Compression

	// BatchBytes is the maximum size of a batch before compression, and so of a record (batch.size
	// and max.request.size in one). Default: batches of 1,000,000, which fit the default of the
	// topics' max.message.bytes, and records as large as the topic accepts, up to 64 MiB, each in a
	// batch of its own. If BatchBytes exceeds what the topic accepts, refused batches are split and
	// sent again, at the cost of extra requests.
	BatchBytes int

	// Linger is how long a batch waits for more records (linger.ms). Default 0: records that queue
	// while a batch is in flight go out together, and nothing waits while none is in flight. For a
	// thin stream, a few milliseconds make fewer and larger batches.
	Linger time.Duration

	// DeliveryTimeout is how long a record may take to be acknowledged, retries included, before it
	// fails (delivery.timeout.ms). Default 2 min; in a KafkaTransaction 20 s. Keep it longer than a
	// leader's failover (about 10 s after a crash), or records fail that only had to wait.
	DeliveryTimeout time.Duration

	// UnknownTopicTimeout is how long a topic may be unknown before its records fail. Default 10 s.
	// For a second or so after a topic is created, some brokers do not know it.
	UnknownTopicTimeout time.Duration

	// InstanceID is the name of this worker, and must be that of its source. Each running worker
	// needs its own. Only KafkaTransaction uses it: see there. Default: none.
	InstanceID string

	// TransactionTimeout is how long a transaction may take before the coordinator aborts it
	// (transaction.timeout.ms). Only KafkaTransaction uses it. Default 30 s. It must be longer than
	// DeliveryTimeout, and at most the brokers' transaction.max.timeout.ms.
	TransactionTimeout time.Duration
}

func (c *KafkaConfig) name(kind string) string {
	if c.Topic == "" {
		return kind
	}
	return kind + " " + c.Topic
}

func (c *KafkaConfig) client(ctx context.Context) *wire.Client {
	tell := c.events(ctx)
	return wire.New(wire.Config{Brokers: c.Brokers, Transport: c.Transport, ClientID: c.ClientID, OnThrottled: func(text string) { tell("throttled", text) }})
}

// events passes events to the observers of the pipeline that opens the sink with ctx.
func (c *KafkaConfig) events(ctx context.Context) func(what, text string) {
	emit, name := stream.EmitterOf(ctx), c.name("kafka")
	return func(what, text string) { emit(stream.SinkEvent{Sink: name, Name: what, Text: text}) }
}

// producing returns the producer's configuration.
func (c *KafkaConfig) producing(ctx context.Context, client *wire.Client) produce.Config {
	largest := c.BatchBytes
	if largest == 0 {
		largest = mostBatch // the topic decides
	}
	return produce.Config{Client: client, RecordBytes: largest, Compression: c.Compression, Balancer: c.Balancer, BatchBytes: or(c.BatchBytes, 1_000_000), Linger: c.Linger,
		DeliveryTimeout: or(c.DeliveryTimeout, 2*time.Minute), UnknownTopicTimeout: or(c.UnknownTopicTimeout, 10*time.Second),
		OnEvent: c.events(ctx)}
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

const (
	leastBatch = 1 << 10  // less is a mistake
	mostBatch  = 64 << 20 // below the brokers' socket.request.max.bytes
)

var legalTopic = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// faults returns all faults of the configuration, reported for step.
func (c *KafkaConfig) faults(step string) []error {
	var all []error
	fault := func(wrong bool, fix, what string, args ...any) {
		if wrong {
			all = append(all, &stream.BuildError{Code: "LW143", Step: step, What: fmt.Sprintf(what, args...), Fix: fix})
		}
	}
	fault(len(c.Brokers) == 0, "set Brokers", "no broker is named")
	for _, b := range c.Brokers {
		_, port, err := net.SplitHostPort(b)
		fault(err != nil || port == "", "write host:port, one address per element",
			"%q is not a broker address", b)
	}
	fault(c.Topic != "" && !legalTopic.MatchString(c.Topic),
		"use letters, digits, dot, underscore and dash", "%q is not a valid topic name", c.Topic)
	fault(c.Compression < 0 || c.Compression > kafka.Zstd,
		"use kafka.Gzip, Snappy, Lz4, Zstd or 0 for none", "compression %d is unknown", c.Compression)
	fault(c.BatchBytes != 0 && (c.BatchBytes < leastBatch || c.BatchBytes > mostBatch),
		"leave it 0 for the default of 1,000,000",
		"BatchBytes is %d, not between %d and %d", c.BatchBytes, leastBatch, mostBatch)
	fault(c.Linger < 0, "leave it 0 to send at once", "Linger is %v", c.Linger)
	const useDefault = "leave it 0 for the default"
	fault(c.DeliveryTimeout < 0, useDefault, "DeliveryTimeout is %v", c.DeliveryTimeout)
	fault(c.UnknownTopicTimeout < 0, useDefault, "UnknownTopicTimeout is %v", c.UnknownTopicTimeout)
	fault(c.TransactionTimeout < 0, useDefault, "TransactionTimeout is %v", c.TransactionTimeout)
	timeout := c.producing(context.Background(), nil).DeliveryTimeout
	fault(c.Linger > 0 && timeout > 0 && c.Linger >= timeout, "make Linger a few milliseconds",
		"Linger is %v, but a record fails after DeliveryTimeout (%v)", c.Linger, timeout)
	return all
}
