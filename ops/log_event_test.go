package ops_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestLogEvent(t *testing.T) {
	tell := func(t *testing.T, e stream.Event) *written {
		t.Helper()
		w := new(written)
		o := w.from(slog.LevelDebug)
		p, err := opstest.Orders.Serial(opstest.Failing(nil)).CommitEach().Build(streamtest.Kafka("orders", 1).Source(), stream.Named("billing"))
		if err != nil {
			t.Fatal(err)
		}
		if o.Attach != nil {
			if o, err = o.Attach(p); err != nil {
				t.Fatal(err)
			}
		}
		o.Event(e)
		return w
	}
	tp := stream.TopicPartition{Topic: "orders", Partition: 3}
	t.Run("does not call the start of a new group a reset", func(t *testing.T) {
		w := tell(t, stream.OffsetReset{TopicPartition: tp, From: -1, To: 5, Policy: "earliest"})
		ls := w.lines(t, "no offset committed yet")
		if len(ls) != 1 || ls[0]["from"] != nil {
			t.Fatalf("lines: %v", w)
		}
		shows(t, ls[0], map[string]any{"level": "INFO", "topic": "orders", "partition": 3, "to": 5, "policy": "earliest"})
	})
	t.Run("warns of a reset", func(t *testing.T) {
		w := tell(t, stream.OffsetReset{TopicPartition: tp, From: 2, To: 5, Policy: "earliest"})
		if ls := w.lines(t, "offset reset"); len(ls) == 1 {
			shows(t, ls[0], map[string]any{"level": "WARN", "from": 2, "to": 5})
		} else {
			t.Errorf("lines: %v", w)
		}
	})
	t.Run("writes the events of a source of a Merge, of no partition", func(t *testing.T) {
		w := tell(t, stream.SourceEvent{TopicPartition: stream.TopicPartition{Source: "eu"}, Name: "slow"})
		if ls := w.lines(t, "slow"); len(ls) == 1 && ls[0]["partition"] == nil && ls[0]["topic"] == nil {
			shows(t, ls[0], map[string]any{"level": "INFO", "source": "eu"})
		} else {
			t.Errorf("lines: %v", w)
		}
	})
	t.Run("writes the events of a sink", func(t *testing.T) {
		w := tell(t, stream.SinkEvent{Sink: "kafka receipts", Name: "throttled", Text: "500ms"})
		if ls := w.lines(t, "throttled"); len(ls) == 1 {
			shows(t, ls[0], map[string]any{"level": "INFO", "sink": "kafka receipts", "detail": "500ms"})
		} else {
			t.Errorf("lines: %v", w)
		}
	})
	t.Run("writes only UTF-8, in its message and in the names of partitions too", func(t *testing.T) {
		tp := stream.TopicPartition{Topic: "a\xff", Partition: 3}
		for msg, e := range map[string]stream.Event{
			`slow \xff`:        stream.SourceEvent{Name: "slow \xff"},
			"drain incomplete": stream.DrainIncomplete{Partitions: []stream.TopicPartition{tp}, Err: opstest.ErrDown},
			"committed":        stream.Committed{Offsets: map[stream.TopicPartition]int64{tp: 7}},
		} {
			w := tell(t, e)
			ls := w.lines(t, msg)
			if len(ls) != 1 {
				t.Fatalf("%s: %v", msg, w)
			}
			switch e.(type) {
			case stream.DrainIncomplete:
				shows(t, ls[0], map[string]any{"partitions": []string{`a\xff[3]`}})
			case stream.Committed:
				shows(t, ls[0], map[string]any{"offsets": map[string]int{`a\xff[3]`: 7}})
			}
		}
	})
	t.Run("cuts a long key", func(t *testing.T) {
		m := stream.Meta{Topic: "orders", Key: []byte(strings.Repeat("k", 1000))}
		f := stream.Failure{Meta: m, Step: "charge", Attempts: 1, Err: opstest.ErrDown}
		for msg, e := range map[string]stream.Event{
			"failed, it is skipped": stream.Skipped{Failure: f},
			"key parked":            stream.Paused{Scope: stream.ScopeLane, Meta: m},
		} {
			if ls := tell(t, e).lines(t, msg); len(ls) == 1 {
				shows(t, ls[0], map[string]any{"key": strings.Repeat("k", 128) + "…"})
			} else {
				t.Errorf("%s: %d lines", msg, len(ls))
			}
		}
	})
}
