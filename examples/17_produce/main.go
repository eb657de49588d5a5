// Produce turns each record into another and writes it to another topic.
//
//	GOTOOLCHAIN=auto go run ./examples/17_produce
//
// Order: each key's, also in the other topic, whose partitions are the same that a Java producer
// would choose. Speed: 64 keys at a time; their results share batches. Guarantee: at least once; a
// record is done when every in-sync replica has its result, and a crash repeats the last ones. A
// failure: skipped. Use it to turn one topic into another whose readers tolerate duplicates;
// otherwise see 18.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/examples/internal/demo"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

func worker(from source.KafkaConfig, to sink.KafkaConfig) stream.Stream[kafka.Message] {
	return source.Kafka(from).
		GroupByKey().             // order: each key's
		MapConcurrent(64, shout). // degree: 64 keys at a time
		SkipOnError().            // failure of shout: skip
		To(sink.Kafka(to)).       // done when the broker has it
		CommitEvery(100, time.Second)
}

var errSilent = errors.New("there is nothing to shout")

// shout keeps key, headers and time: a message that was read can be written again.
func shout(_ context.Context, m kafka.Message) (kafka.Message, error) {
	if m.Offset%100 == 42 {
		return m, errSilent
	}
	m.Value = append(bytes.ToUpper(m.Value), '!')
	return m, nil
}

func main() { produce.Main() }

var produce = demo.Program{Name: "produce", Partitions: 3, Run: run}

func run(ctx context.Context, d *demo.Demo) error {
	records, err := d.Seed(ctx, demo.Numbered(2000, 40)...)
	if err != nil {
		return err
	}
	loud, err := d.NewTopic(ctx, "loud", 5)
	if err != nil {
		return err
	}
	if err := d.Run(ctx, worker(d.Kafka, sink.KafkaConfig{Brokers: d.Kafka.Brokers, Topic: loud, Compression: kafka.Zstd})); err != nil {
		return err
	}
	made, err := d.ReadBack(ctx, loud)
	if err != nil {
		return err
	}
	skipped, late, astray := 0, 0, 0
	last := map[string]int{}
	for _, m := range records {
		if m.Offset%100 == 42 {
			skipped++
		}
	}
	for _, m := range made {
		var n int
		if _, err := fmt.Sscanf(string(m.Value), "RECORD %d!", &n); err != nil {
			return fmt.Errorf("%q was written: %w", m.Value, err)
		}
		if n < last[string(m.Key)] {
			late++
		}
		last[string(m.Key)] = n
		if (kafka.Murmur2Balancer{}).Balance(m, 0, 1, 2, 3, 4) != m.Partition {
			astray++
		}
	}
	d.Check("written", len(made) == len(records)-skipped, "%d of %d; %d were skipped", len(made), len(records), skipped)
	d.Check("in order", late == 0, "each key's, but for %d", late)
	d.Check("in place", astray == 0, "each key is in the partition that Java's producer would choose, but for %d", astray)
	return d.CheckCommitted(ctx)
}
