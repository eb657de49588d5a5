package ops_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func value(m kafka.Message) string { return string(m.Value) }

// deduped is a worker that handles each id once.
func deduped(window int, handle func(context.Context, kafka.Message) error) stream.Stream[kafka.Message] {
	return source.Kafka(source.KafkaConfig{Brokers: []string{"unused:9092"}, Group: "g", Topics: []string{"orders"}}).
		GroupByPartition().Via(ops.Dedup(value, window)).Serial(handle).HaltOnError().CommitEach()
}

func messages(ids ...string) (ms []kafka.Message) {
	for _, id := range ids {
		ms = append(ms, kafka.Message{Value: []byte(id)})
	}
	return ms
}

func TestDedupLetsEachIDPassOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.Kafka("orders", 1)
		log.Append(0, "", messages("a", "b", "a", "c", "b", "a")...)
		log.Finish()
		var got []string
		err := deduped(10, func(_ context.Context, m kafka.Message) error {
			got = append(got, string(m.Value))
			return nil
		}).Run(t.Context(), log.Source())
		if err != nil || !slices.Equal(got, []string{"a", "b", "c"}) || log.Committed(0) != 6 {
			t.Fatalf("%v: %v, committed %d", err, got, log.Committed(0))
		}
	})
}

func TestDedupForgetsTheOldestBeyondItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := sink.Slice[string]()
		err := source.Slice("a", "b", "c", "a", "c").
			Via(ops.Dedup(func(s string) string { return s }, 2)).To(out).Run(t.Context(), stream.MaxInFlight(1, 1))
		if got := out.Values(); err != nil || !slices.Equal(got, []string{"a", "b", "c", "a"}) {
			t.Fatalf("%v: %v", err, got)
		}
	})
}

func TestDedupDoesNotTakeARetriedRecordForItsOwnDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := streamtest.Kafka("orders", 1)
		log.Append(0, "", messages("a", "b")...)
		var got []string
		broken := true
		p, err := deduped(10, func(_ context.Context, m kafka.Message) error {
			if broken {
				return errors.New("the database is down")
			}
			got = append(got, string(m.Value))
			return nil
		}).Build(log.Source())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()
		synctest.Wait()
		broken = false
		for _, h := range p.Halts() {
			if err := p.Resume(h); err != nil {
				t.Error(err)
			}
		}
		log.Finish()
		if err := <-ended; err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("%v: %v", err, got)
		}
	})
}

func TestTwoDedupsInAChainKeepTheirOwnMemory(t *testing.T) {
	out := sink.Slice[string]()
	err := source.Slice("apple", "avocado", "banana", "apple").
		Via(ops.Dedup(func(s string) string { return s }, 10)).
		Via(ops.Dedup(func(s string) byte { return s[0] }, 10)).To(out).Run(t.Context(), stream.MaxInFlight(1, 1))
	if got := out.Values(); err != nil || !slices.Equal(got, []string{"apple", "banana"}) {
		t.Fatalf("%v: %v", err, got)
	}
}
