package crashtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/stream"
)

// writeOnce copies each record's position to another topic, in the same transaction as its offset.
func (w *worker) writeOnce(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
	return s.MapConcurrent(wide, w.result).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: w.Brokers, Topic: w.Out, ClientID: w.Name, InstanceID: w.Instance,
			DeliveryTimeout: 8 * time.Second, TransactionTimeout: 10 * time.Second}, w.Group), commitEvery, commitWait/5).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 20, Wait: func(stream.Failure) time.Duration { return retryWait }})
}

// write copies it at least once.
func (w *worker) write(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
	return s.MapConcurrent(wide, w.result).
		To(sink.Kafka(sink.KafkaConfig{Brokers: w.Brokers, Topic: w.Out, ClientID: w.Name})).
		CommitEvery(commitEvery, commitWait)
}

func (w *worker) result(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	err := w.handle(ctx, m)
	return kafka.Message{Key: fmt.Appendf(nil, "%d/%s", m.Partition, m.Key), Value: fmt.Appendf(nil, "%d %d", m.Partition, m.Offset)}, err
}

// rounds returns how many workers are killed: LANEWAY_CRASH_ROUNDS, or a few.
func rounds(t *testing.T) int {
	n := 8
	if s := os.Getenv("LANEWAY_CRASH_ROUNDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("LANEWAY_CRASH_ROUNDS: %v", err)
		}
	}
	return n
}

func TestKilledWorkersWriteExactlyOnceRealKafka(t *testing.T) {
	beside(t)
	if again := writeWhileWorkersDie(t, true); again != 0 {
		t.Errorf("%d results were repeated", again)
	}
}

func TestKilledWorkersWriteAtLeastOnceRealKafka(t *testing.T) {
	beside(t)
	writeWhileWorkersDie(t, false)
}

// writeWhileWorkersDie kills workers that write a result of each record. It checks that no result
// is missing, and returns the number of duplicates.
func writeWhileWorkersDie(t *testing.T, once bool) (again int) {
	began := time.Now()
	k := kafkatest.At(t, kafkatest.Real(t))
	topic, out := k.Topic(partitions), k.Topic(5)
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("crash"), Topic: topic, Out: out, Once: once, Session: session})
	tr := flow(t, k, topic, 480, func(int, int) string { return "plain" })
	for _, instance := range instances {
		f.join(instance)
	}
	n := rounds(t)
	for i := range n {
		p := f.victim()
		if i%5 == 4 {
			f.join("")
		}
		if i%4 == 3 { // one of four drains
			f.terminate(p)
		} else {
			f.kill(p)
		}
		f.replace(i, p)
	}
	k.WaitCommitted(f.job.Group, topic, tr.end(t))
	f.terminate(f.live...)
	records, again := tally(t, k.Records(out), tr.keys)
	es, _, _ := f.log.since(0)
	worked := 0
	for _, e := range es {
		if e.what == done {
			worked++
		}
	}
	t.Logf("%d rounds, %d records, worked on %d times, all results there, %d again; %v", n, records, worked, again, time.Since(began).Round(time.Millisecond))
	return again
}

// tally checks that every record has a result, and that the first results of a key are in order. It
// counts records and duplicate results.
func tally(t *testing.T, results []*kgo.Record, keys [][]string) (records, again int) {
	t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	seen, last := map[place]bool{}, map[string]int64{}
	for _, r := range results {
		var at place
		if _, err := fmt.Sscan(string(r.Value), &at.partition, &at.offset); err != nil {
			t.Fatal(err)
		}
		if seen[at] {
			again++
			continue
		}
		seen[at] = true
		if before, ok := last[string(r.Key)]; ok && before >= at.offset {
			t.Errorf("key %s: the result of %d comes after that of %d", r.Key, at.offset, before)
		}
		last[string(r.Key)] = at.offset
	}
	for p, ks := range keys {
		for offset := range ks {
			if !seen[place{p, int64(offset)}] {
				t.Errorf("the result of %d[%d] is missing", p, offset)
			}
			records++
		}
	}
	if len(seen) != records {
		t.Errorf("results of %d records, want %d", len(seen), records)
	}
	return records, again
}
