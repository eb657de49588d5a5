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

// KafkaConfig says where and how to write to Kafka. The zero value of every field but Brokers is
// its default.
type KafkaConfig struct {
	// Brokers are addresses, host:port, to start from: two or three of the cluster's brokers, or
	// what resolves to them. The others are learned. All must belong to one cluster.
	Brokers []string

	// Topic is where everything goes, whatever topic a message names: a record that came from one
	// topic and is written to another needs no change. Empty: to the topic that each message names.
	// The user needs WRITE and DESCRIBE on it. A topic is never made by writing to it.
	Topic string

	// Transport is whose Dial, DialTimeout, IdleTimeout, TLS, SASL, Resolver and ClientID are used;
	// nil: plain TCP. It is read, never used itself, and may be shared. Wrong credentials or an
	// untrusted certificate end Run before the source starts.
	Transport *kafka.Transport

	// ClientID is what brokers log and set quotas by (client.id). Default: the Transport's.
	ClientID string

	// Balancer chooses partitions (partitioner.class); any of kafka-go's, called concurrently.
	// Default: by the murmur2 of the key, as Java's producer does, so that keys go where other
	// producers put them; records without a key all go to one partition until a batch of it is
	// sent, then to another.
	Balancer kafka.Balancer

	// Compression is what batches are compressed with (compression.type): kafka.Gzip, Snappy, Lz4
	// or Zstd. Default: none.
	Compression kafka.Compression

	// BatchBytes is how much a batch holds at most, before compression, and so how large a record
	// may be (batch.size and max.request.size in one). Default 1,000,000, which fits the default of
	// the topics' max.message.bytes; by default a larger record is a batch of its own, and as large
	// as its topic takes, up to 64 MiB. Where BatchBytes is more than the topic takes, batches are
	// split and sent again, at the cost of that.
	BatchBytes int

	// Linger is how long a batch waits for more before it is sent (linger.ms). Default 0: what is
	// queued while the one before is on its way goes out together, and nothing waits where nothing
	// is on its way. A few milliseconds make fewer, larger batches of a thin stream.
	Linger time.Duration

	// DeliveryTimeout is how long a record may take to be acknowledged, with all retries, before it
	// fails (delivery.timeout.ms). Default 2 min; in a KafkaTransaction 20 s. Shorter than a
	// leader's failover (about 10 s after a crash): records fail that needed only patience.
	DeliveryTimeout time.Duration

	// UnknownTopicTimeout is how long a topic may be unknown before what goes there fails. Default
	// 10 s. A topic that was just made is unknown to some brokers for a second or so.
	UnknownTopicTimeout time.Duration

	// InstanceID is the worker's own name, the same as its source's. Only KafkaTransaction uses it,
	// see there. Each running worker needs one of its own. Default: none.
	InstanceID string

	// TransactionTimeout is after how long the coordinator aborts a transaction that nobody ends
	// (transaction.timeout.ms). Only KafkaTransaction uses it. Default 30 s. It has to be longer
	// than DeliveryTimeout, and not above the brokers' transaction.max.timeout.ms.
	TransactionTimeout time.Duration
}

func (c *KafkaConfig) name(kind string) string {
	if c.Topic == "" {
		return kind
	}
	return kind + " " + c.Topic
}

func (c *KafkaConfig) client() *wire.Client {
	return wire.New(wire.Config{Brokers: c.Brokers, Transport: c.Transport, ClientID: c.ClientID})
}

// producing is how to write. What the producer sees is told to the observers of the pipeline that
// opens the sink with ctx.
func (c *KafkaConfig) producing(ctx context.Context, client *wire.Client) produce.Config {
	emit, name := stream.EmitterOf(ctx), c.name("kafka")
	largest := c.BatchBytes
	if largest == 0 {
		largest = mostBatch // its topic decides
	}
	return produce.Config{Client: client, RecordBytes: largest, Compression: c.Compression, Balancer: c.Balancer, BatchBytes: or(c.BatchBytes, 1_000_000), Linger: c.Linger,
		DeliveryTimeout: or(c.DeliveryTimeout, 2*time.Minute), UnknownTopicTimeout: or(c.UnknownTopicTimeout, 10*time.Second),
		OnEvent: func(what, text string) { emit(stream.SinkEvent{Sink: name, Name: what, Text: text}) }}
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

// faults is all that is wrong with the configuration, as step says it.
func (c *KafkaConfig) faults(step string) []error {
	var all []error
	fault := func(wrong bool, do, what string, args ...any) {
		if wrong {
			all = append(all, &stream.BuildError{Step: step, What: fmt.Sprintf(what, args...), Fix: do})
		}
	}
	fault(len(c.Brokers) == 0, "set Brokers", "no broker is named")
	for _, b := range c.Brokers {
		_, port, err := net.SplitHostPort(b)
		fault(err != nil || port == "", "write host:port, one address an element", "%q is no address of a broker", b)
	}
	fault(c.Topic != "" && !legalTopic.MatchString(c.Topic), "use letters, digits, dot, underscore and dash", "%q is no name of a topic", c.Topic)
	fault(c.Compression < 0 || c.Compression > kafka.Zstd, "use kafka.Gzip, Snappy, Lz4, Zstd or 0 for none", "compression %d is unknown", c.Compression)
	fault(c.BatchBytes != 0 && (c.BatchBytes < leastBatch || c.BatchBytes > mostBatch), "leave it 0 for the default of 1,000,000", "BatchBytes is %d, not between %d and %d", c.BatchBytes, leastBatch, mostBatch)
	fault(c.Linger < 0, "leave it 0 to send at once", "Linger is %v", c.Linger)
	fault(c.DeliveryTimeout < 0, "leave it 0 for the default", "DeliveryTimeout is %v", c.DeliveryTimeout)
	fault(c.UnknownTopicTimeout < 0, "leave it 0 for the default", "UnknownTopicTimeout is %v", c.UnknownTopicTimeout)
	fault(c.TransactionTimeout < 0, "leave it 0 for the default", "TransactionTimeout is %v", c.TransactionTimeout)
	timeout := c.producing(context.Background(), nil).DeliveryTimeout
	fault(c.Linger > 0 && timeout > 0 && c.Linger >= timeout, "make Linger a few milliseconds", "Linger is %v, and what lingers for DeliveryTimeout (%v) fails", c.Linger, timeout)
	return all
}
