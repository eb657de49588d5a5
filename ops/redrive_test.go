package ops_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
)

func letter(offset int64, step string, times int) kafka.Message {
	headers := []kafka.Header{{Key: "trace", Value: []byte("1")}}
	for range times {
		headers = deadletter.Back(headers)
	}
	m := deadletter.Letter{Topic: "orders", Offset: offset, Time: time.UnixMilli(7), Step: step}.
		Record(kafka.Message{Key: []byte("k"), Value: []byte("v"), Time: time.UnixMilli(7), Headers: headers}, deadletter.Whole, deadletter.Refused{})
	m.Topic, m.Offset = "orders.dlq", 1000+offset
	return m
}

func redriven(t *testing.T, c ops.RedriveConfig, ms ...kafka.Message) []kafka.Message {
	t.Helper()
	out := sink.Slice[kafka.Message]()
	if err := source.Slice(ms...).Via(ops.Redrive(c)).To(out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.Values()
}

func TestRedrive(t *testing.T) {
	t.Run("restores the original record", func(t *testing.T) {
		got := redriven(t, ops.RedriveConfig{}, letter(7, "charge", 0))
		if len(got) != 1 {
			t.Fatalf("%d records", len(got))
		}
		m := got[0]
		if m.Topic != "orders" || string(m.Key) != "k" || string(m.Value) != "v" || !m.Time.Equal(time.UnixMilli(7)) {
			t.Errorf("%+v", m)
		}
		if len(m.Headers) != 2 || m.Headers[0].Key != "trace" || m.Headers[1].Key != "laneway.redriven" || string(m.Headers[1].Value) != "1" {
			t.Errorf("headers %v", m.Headers)
		}
		if got := redriven(t, ops.RedriveConfig{To: "elsewhere"}, letter(7, "charge", 0)); got[0].Topic != "elsewhere" {
			t.Errorf("addressed to %s", got[0].Topic)
		}
	})
	t.Run("passes over letters at the limit or without a match", func(t *testing.T) {
		seen := map[string]int{}
		got := redriven(t, ops.RedriveConfig{
			MaxTimes: 2,
			Match:    func(_ kafka.Message, l ops.Letter) bool { return l.Step == "charge" },
			OnRecord: func(_ kafka.Message, _ ops.Letter, what ops.Redriven) { seen[what.String()]++ },
		}, letter(1, "charge", 1), letter(2, "charge", 2), letter(3, "ship", 0), kafka.Message{Value: []byte("no letter")})
		if len(got) != 1 || got[0].Headers[len(got[0].Headers)-1].Key != "laneway.redriven" || string(got[0].Headers[1].Value) != "2" {
			t.Errorf("sent back: %v", got)
		}
		if fmt.Sprint(seen) != fmt.Sprint(map[string]int{"sent back": 1, "limit reached": 1, "not matched": 1, "no dead letter": 1}) {
			t.Error(seen)
		}
	})
	t.Run("sends back whole records", func(t *testing.T) {
		at := time.UnixMilli(9).UTC()
		record := kafka.Message{Topic: "orders", Offset: 7, Key: []byte("k"), Value: bytes.Repeat([]byte("v"), 100), Time: at, Headers: []kafka.Header{{Key: "trace", Value: []byte("1")}}}
		abridged := func(r deadletter.Rung, now bool) kafka.Message {
			return deadletter.Letter{Topic: "orders", Offset: 7, Time: at, Step: "charge", Stack: "goroutine 1"}.Record(record, r, deadletter.Refused{Time: now})
		}
		whole := func(t *testing.T, got []kafka.Message) {
			t.Helper()
			if len(got) != 1 || !bytes.Equal(got[0].Value, record.Value) || string(got[0].Key) != "k" || !got[0].Time.Equal(at) ||
				len(got[0].Headers) != 2 || got[0].Headers[0].Key != "trace" || string(got[0].Headers[1].Value) != "1" || got[0].Topic != "orders" {
				t.Errorf("%+v", got)
			}
		}
		t.Run("with their original time", func(t *testing.T) {
			whole(t, redriven(t, ops.RedriveConfig{}, abridged(deadletter.WithoutStack, true)))
		})
		t.Run("with a time at or before the epoch", func(t *testing.T) {
			for _, ms := range []int64{0, -1, -86_400_000} {
				at = time.UnixMilli(ms).UTC()
				whole(t, redriven(t, ops.RedriveConfig{}, abridged(deadletter.WithoutStack, true)))
			}
		})
		t.Run("read from their origin", func(t *testing.T) {
			for _, r := range []deadletter.Rung{deadletter.WithoutHeader, deadletter.WithoutValue, deadletter.WithoutKey} {
				whole(t, redriven(t, ops.RedriveConfig{Original: func(_ context.Context, l ops.Letter) (kafka.Message, error) {
					if l.Topic != "orders" || l.Offset != 7 {
						t.Errorf("asked for %+v", l)
					}
					return record, nil
				}}, abridged(r, false)))
			}
		})
		t.Run("or none without Original", func(t *testing.T) {
			var what []ops.Redriven
			c := ops.RedriveConfig{OnRecord: func(_ kafka.Message, _ ops.Letter, r ops.Redriven) { what = append(what, r) }}
			if got := redriven(t, c, abridged(deadletter.WithoutValue, false)); len(got) != 0 || len(what) != 1 || what[0] != ops.Incomplete {
				t.Errorf("%v, sent back: %+v", what, got)
			}
		})
		t.Run("or fails with the error of Original", func(t *testing.T) {
			gone := errors.New("gone")
			c := ops.RedriveConfig{Original: func(context.Context, ops.Letter) (kafka.Message, error) { return kafka.Message{}, gone }}
			err := source.Slice(abridged(deadletter.WithoutValue, false)).Via(ops.Redrive(c)).Run(t.Context())
			if !errors.Is(err, gone) || stream.IsPermanent(err) {
				t.Error(err)
			}
		})
	})
	t.Run("keeps its rate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var ms []kafka.Message
			for i := range 21 {
				ms = append(ms, letter(int64(i), "charge", 0))
			}
			redriven(t, ops.RedriveConfig{PerSecond: 10}, ms...)
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("21 letters at 10 per second took %v", took)
			}
		})
	})
}
