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

// exactlyOnce copies each record's place to another topic, with its offset in the same transaction.
func (w *worker) exactlyOnce(s stream.Stream[kafka.Message]) stream.Stream[kafka.Message] {
	return s.MapConcurrent(16, w.result).
		CommitWith(sink.KafkaTransaction(sink.KafkaConfig{Brokers: w.Brokers, Topic: w.Out, ClientID: w.Name, InstanceID: w.Instance,
			DeliveryTimeout: 8 * time.Second, TransactionTimeout: 10 * time.Second}, w.Group), commitEvery, commitWait/5).
		RetryOnError(stream.RetryPolicy{MaxAttempts: 20, Backoff: func(int) time.Duration { return retryWait }})
}

func (w *worker) result(ctx context.Context, m kafka.Message) (kafka.Message, error) {
	err := w.handle(ctx, m)
	return kafka.Message{Key: fmt.Appendf(nil, "%d/%s", m.Partition, m.Key), Value: fmt.Appendf(nil, "%d %d", m.Partition, m.Offset)}, err
}

// rounds is how many workers are killed: a few, or LANEWAY_CRASH_ROUNDS.
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

func TestRealKafkaKilledWorkersWriteEachResultExactlyOnce(t *testing.T) {
	began := time.Now()
	k := kafkatest.At(t, kafkatest.Real(t))
	topic, out := k.Topic(partitions), k.Topic(5)
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("crash"), Topic: topic, Out: out, Session: session})
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
		if i%4 == 3 { // one that drains between those that die
			f.terminate(p)
		} else {
			f.kill(p)
		}
		f.replace(i, p)
	}
	k.WaitCommitted(f.job.Group, topic, tr.end(t))
	f.terminate(f.live...)
	again := tally(t, k.Records(out), tr.keys)
	es, _, _ := f.log.since(0)
	begun := 0
	for _, e := range es {
		if e.what == done {
			begun++
		}
	}
	t.Logf("%d rounds, %d records, worked on %d times, each result there once; %v", n, again, begun, time.Since(began).Round(time.Millisecond))
}

// tally checks that the results are those of each record once, in the order of each key, and counts them.
func tally(t *testing.T, results []*kgo.Record, keys [][]string) (n int) {
	t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	times, last := map[place]int{}, map[string]int64{}
	for _, r := range results {
		var at place
		if _, err := fmt.Sscan(string(r.Value), &at.partition, &at.offset); err != nil {
			t.Fatal(err)
		}
		times[at]++
		if before, ok := last[string(r.Key)]; ok && before >= at.offset {
			t.Errorf("key %s: the result of %d stands behind that of %d", r.Key, at.offset, before)
		}
		last[string(r.Key)] = at.offset
	}
	for p, ks := range keys {
		for offset := range ks {
			if c := times[place{p, int64(offset)}]; c != 1 {
				t.Errorf("the result of %d[%d] is there %d times", p, offset, c)
			}
			n++
		}
	}
	if len(times) != n {
		t.Errorf("%d results of %d records", len(times), n)
	}
	return n
}
