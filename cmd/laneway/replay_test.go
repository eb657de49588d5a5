package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
	"github.com/laneway-go/laneway/stream"
)

// replayCase is a topic with an hour between its records, and a topic to replay to.
type replayCase struct {
	t        *testing.T
	k        *kafkatest.Kafka
	from, to string
}

func newReplayCase(t *testing.T, k *kafkatest.Kafka, records int) replayCase {
	t.Helper()
	t.Setenv("KAFKA_BROKERS", "")
	s := replayCase{t, k, k.Topic(2), k.Topic(3)}
	begin := time.Now().Add(-time.Duration(records) * time.Hour)
	for i := range records {
		k.Produce(s.from, &kgo.Record{Partition: int32(i % 2), Key: fmt.Appendf(nil, "key %d", i%3), Value: fmt.Appendf(nil, "value %d", i),
			Timestamp: begin.Add(time.Duration(i)*time.Hour + 30*time.Minute), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}})
	}
	return s
}

// runs replays, and returns what it says and the values that were written, in order.
func (s replayCase) runs(args ...string) (result, []string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	before := map[int32]int64{}
	for _, r := range s.k.Records(s.to) {
		before[r.Partition] = r.Offset + 1
	}
	var out, errs bytes.Buffer
	err := run(ctx, append([]string{"replay", s.from, "--brokers", strings.Join(s.k.Brokers, ","), "--to", s.to}, args...), &out, &errs)
	if errs.Len() > 0 {
		s.t.Errorf("%v wrote to standard error: %s", args, &errs)
	}
	var values []string
	for _, r := range s.k.Records(s.to) {
		if r.Offset >= before[r.Partition] {
			values = append(values, string(r.Value))
		}
	}
	slices.Sort(values)
	return result{out.String(), err}, values
}

func TestReplay(t *testing.T) {
	t.Run("copies the records of a span as they are", func(t *testing.T) {
		copiesSpans(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()))
	})
	t.Run("writes nothing in a dry run", func(t *testing.T) {
		s := newReplayCase(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()), 6)
		r, got := s.runs("--from", "earliest", "--match", "[12]$", "-n")
		if r.err != nil || len(got) > 0 || !strings.Contains(r.out, "2 would be written to "+s.to+", of 6 read") {
			t.Errorf("%v: %s", got, r.full())
		}
	})
	t.Run("keeps the order of a key", func(t *testing.T) {
		s := newReplayCase(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()), 0)
		for i := range 500 {
			s.k.Produce(s.from, &kgo.Record{Partition: int32(i % 5 % 2), Key: fmt.Append(nil, i%5), Value: fmt.Append(nil, i)})
		}
		if r, got := s.runs("--from", "earliest"); r.err != nil || len(got) != 500 {
			t.Fatalf("%d: %s", len(got), r.full())
		}
		last := map[string]int{}
		for _, r := range s.k.Records(s.to) {
			var n int
			_, err := fmt.Sscan(string(r.Value), &n)
			must(t, err)
			if was, seen := last[string(r.Key)]; seen && n < was {
				t.Fatalf("%d behind %d", n, was)
			}
			last[string(r.Key)] = n
		}
	})
	t.Run("fails where a record is refused", func(t *testing.T) {
		k := kafkatest.At(t, kafkatest.Fake(t).ListenAddrs())
		s := newReplayCase(t, k, 2)
		s.to = k.Topic(1, "max.message.bytes=500")
		k.Produce(s.from, &kgo.Record{Value: bytes.Repeat([]byte("x"), 2000)})
		if r, _ := s.runs("--from", "earliest"); exitCode(r.err) != exitFailed || !strings.Contains(r.full(), s.from+"[0]@1") {
			t.Error(r.full())
		}
	})
	t.Run("refuses a wrong command line", func(t *testing.T) {
		s := newReplayCase(t, kafkatest.At(t, kafkatest.Fake(t).ListenAddrs()), 1)
		for args, says := range map[string]string{
			"":                                   "--from and --to are required",
			"--from yesterday":                   "write a duration before now",
			"--from -1h":                         "write a duration before now",
			"--from @-3":                         "write a duration before now",
			"--from 1h --until soon":             "--until soon",
			"--from 1h --match (":                "--match",
			"--from 1h --partition 7":            "has 2 partitions",
			"--from 1h --per-second -1":          "--per-second",
			"--from 1h --to " + s.from:           "would get the records again",
			"--from 1h --brokers= ":              "no brokers",
			"--from earliest --until @0 another": "one TOPIC",
		} {
			if r, _ := s.runs(strings.Fields(args)...); exitCode(r.err) != exitUsage || !strings.Contains(r.full(), says) {
				t.Errorf("%s: want %q: %s", args, says, r.full())
			}
		}
	})
	t.Run("says how far it is, and how long it takes", func(t *testing.T) {
		p := newReplayProgress(&bytes.Buffer{}, map[stream.TopicPartition]extent{{Topic: "orders"}: {1000, 1400}, {Topic: "orders", Partition: 1}: {0, 600}})
		if got := p.line(time.Second); got != "0 of 1000 offsets, 0 records chosen, 0/s, ? left" {
			t.Error(got)
		}
		p.read(kafka.Message{Topic: "orders", Offset: 1199})
		must(t, p.wrote(t.Context(), kafka.Message{}))
		if got := p.line(10 * time.Second); got != "200 of 1000 offsets, 1 records chosen, 0/s, 40s left" {
			t.Error(got)
		}
	})
}

func TestReplayRealKafka(t *testing.T) { copiesSpans(t, kafkatest.At(t, kafkatest.Real(t))) }

func copiesSpans(t *testing.T, k *kafkatest.Kafka) {
	s := newReplayCase(t, k, 6) // values 0, 2, 4 in partition 0 and 1, 3, 5 in partition 1
	now := time.Now()
	for args, want := range map[string]string{
		"--from earliest": "0 1 2 3 4 5",
		"--from 2h":       "4 5",
		"--from " + now.Add(-4*time.Hour).Format(time.RFC3339) + " --until 2h": "2 3",
		"--from @1 --until @2":                         "2 3",
		"--from @1 --partition 1":                      "3 5",
		"--from earliest --key 'key,0'":                "",
		"--from earliest --match ^value.[14]$":         "1 4",
		"--from 1m":                                    "",
		"--from @99":                                   "",
		"--from earliest --until @3 --per-second 1000": "0 1 2 3 4 5",
	} {
		r, got := s.runs(strings.Fields(args)...)
		if text := strings.ReplaceAll(strings.Join(got, " "), "value ", ""); r.err != nil || text != want {
			t.Errorf("%s: %s, want %s: %s", args, text, want, r.full())
		}
	}
	if r, got := s.runs("--from", "earliest", "--key", "key 0", "--key", "key 1"); len(got) != 4 {
		t.Errorf("%v: %s", got, r.full())
	}
	originals := map[string]*kgo.Record{}
	for _, r := range k.Records(s.from) {
		originals[string(r.Value)] = r
	}
	for _, r := range k.Records(s.to) {
		o := originals[string(r.Value)]
		if string(r.Key) != string(o.Key) || !r.Timestamp.Equal(o.Timestamp) || len(r.Headers) != 1 || r.Headers[0].Key != "trace" {
			t.Errorf("%+v, was %+v", r, o)
		}
	}
}
