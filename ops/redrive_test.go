package ops_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/internal/deadletter"
	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/sink"
	"github.com/laneway-go/laneway/source"
	"github.com/segmentio/kafka-go"
)

func letter(offset int64, step string, times int) kafka.Message {
	headers := []kafka.Header{{Key: "trace", Value: []byte("1")}}
	for range times {
		headers = deadletter.Back(headers)
	}
	return kafka.Message{Topic: "orders.dlq", Offset: 1000 + offset, Key: []byte("k"), Value: []byte("v"), Time: time.UnixMilli(7),
		Headers: deadletter.Letter{Topic: "orders", Offset: offset, Step: step}.Sign(headers, false)}
}

func redriven(t *testing.T, c ops.RedriveConfig, ms ...kafka.Message) []kafka.Message {
	t.Helper()
	out := sink.Slice[kafka.Message]()
	if err := source.Slice(ms...).Via(ops.Redrive(c)).To(out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.Values()
}

func TestRedriveMakesTheRecordThatItWas(t *testing.T) {
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
		t.Errorf("bound for %s", got[0].Topic)
	}
}

func TestRedrivePassesOverWhatGoesRoundAndWhatIsNotWanted(t *testing.T) {
	seen := map[string]int{}
	got := redriven(t, ops.RedriveConfig{
		MaxTimes: 2,
		Match:    func(_ kafka.Message, l ops.Letter) bool { return l.Step == "charge" },
		Seen:     func(_ kafka.Message, _ ops.Letter, what ops.Redriven) { seen[what.String()]++ },
	}, letter(1, "charge", 1), letter(2, "charge", 2), letter(3, "ship", 0), kafka.Message{Value: []byte("no letter")})
	if len(got) != 1 || got[0].Headers[len(got[0].Headers)-1].Key != "laneway.redriven" || string(got[0].Headers[1].Value) != "2" {
		t.Errorf("sent back: %v", got)
	}
	if fmt.Sprint(seen) != fmt.Sprint(map[string]int{"sent back": 1, "goes round": 1, "not matched": 1, "no dead letter": 1}) {
		t.Error(seen)
	}
}

func TestRedriveKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var ms []kafka.Message
		for i := range 21 {
			ms = append(ms, letter(int64(i), "charge", 0))
		}
		redriven(t, ops.RedriveConfig{PerSecond: 10}, ms...)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("21 at 10 a second took %v", took)
		}
	})
}
