package demo

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/laneway-go/laneway/source"
)

// Demo is one run of an example.
type Demo struct {
	// reads the run's own topic in a group of its own; an example may change it
	Kafka source.KafkaConfig
	// a client other than Laneway's, to read back stored records; nil in a worker process
	Client *kgo.Client

	Args []string      // the arguments of a worker process
	Told <-chan string // lines sent to a worker process; closed when its parent has ended

	Forever bool // run until ctx ends

	// exports its spans if OTEL_EXPORTER_OTLP_ENDPOINT is set
	Tracer  *sdk.TracerProvider
	Metrics *prometheus.Registry // served if -metrics is given

	broker *broker
	others []*Demo // other clusters
	screen *screen
	seeded []kafka.Message
	checks []check

	processes []*Process
	telemetry telemetry
	observed  bool // the chain has its own observers for both
}

// Topic is the run's own topic.
func (d *Demo) Topic() string { return d.Kafka.Topics[0] }

// Say prints a line.
func (d *Demo) Say(format string, args ...any) { d.screen.say(format, args...) }

// NewTopic creates another topic, with the run's suffix in its name.
func (d *Demo) NewTopic(ctx context.Context, name string, partitions int) (string, error) {
	return d.broker.newTopic(ctx, name, partitions)
}

// Elsewhere starts another cluster, in this process, with a topic. The Demo that it returns reads
// and seeds that topic in a group of the same name; checks belong to d.
func (d *Demo) Elsewhere(ctx context.Context, name string, partitions int) (*Demo, error) {
	b, err := connect(nil)
	if err != nil {
		return nil, err
	}
	other := &Demo{Forever: d.Forever, screen: d.screen, broker: b, Client: b.client}
	d.others = append(d.others, other)
	other.Kafka.Brokers, other.Kafka.Group = b.addrs, d.Kafka.Group
	topic, err := other.NewTopic(ctx, name, partitions)
	if err != nil {
		return nil, err
	}
	other.Kafka.Topics = []string{topic}
	d.Say("another broker in this process; topic %s with %d partitions", topic, partitions)
	return other, nil
}

// close closes the clusters.
func (d *Demo) close() {
	for _, o := range d.others {
		o.close()
	}
	d.broker.close()
}

// NewGroup returns the name of another group, with the run's suffix.
func (d *Demo) NewGroup(name string) string { return d.broker.newGroup(name) }

// Seed writes records to the run's topic and returns them with their positions. Records of one key
// go to one partition, those without a key to all in turn.
func (d *Demo) Seed(ctx context.Context, records ...kafka.Message) ([]kafka.Message, error) {
	partitions := d.broker.partitions(d.Topic())
	for i := range records {
		records[i].Topic, records[i].Partition = d.Topic(), (len(d.seeded)+i)%partitions
		if key := records[i].Key; key != nil {
			hash := fnv.New32a()
			hash.Write(key)
			records[i].Partition = int(hash.Sum32() % uint32(partitions))
		}
	}
	if err := d.Write(ctx, records...); err != nil {
		return nil, err
	}
	d.seeded = append(d.seeded, records...)
	d.Say("%d records seeded", len(records))
	return records, nil
}

// Write writes records to the partitions they name, and sets their offsets.
func (d *Demo) Write(ctx context.Context, records ...kafka.Message) error {
	rs := make([]*kgo.Record, len(records))
	for i, m := range records {
		rs[i] = &kgo.Record{Topic: m.Topic, Partition: int32(m.Partition), Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			rs[i].Headers = append(rs[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	if err := d.Client.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		return fmt.Errorf("%s: writing records: %w", d.broker.name, err)
	}
	for i := range records {
		records[i].Offset = rs[i].Offset
	}
	return nil
}

// ends returns how many records were seeded, by partition.
func (d *Demo) ends() []int64 {
	ends := make([]int64, d.broker.partitions(d.Topic()))
	for _, m := range d.seeded {
		ends[m.Partition] = max(ends[m.Partition], m.Offset+1)
	}
	return ends
}

// Numbered returns n records "record 1", "record 2", … with that many keys in turn; 0 is without a
// key.
func Numbered(n, keys int) []kafka.Message {
	records := make([]kafka.Message, n)
	for i := range records {
		records[i].Value = fmt.Appendf(nil, "record %d", i+1)
		if keys > 0 {
			records[i].Key = fmt.Appendf(nil, "key-%02d", i%keys)
		}
	}
	return slices.Clip(records)
}
