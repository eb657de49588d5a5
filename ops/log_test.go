package ops_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func zapAt(level zapcore.Level) (stream.Observer, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	return ops.Log(zap.New(core)), logs
}

// lines are what was logged, as level and message.
func lines(logs *observer.ObservedLogs) (ls []string) {
	for _, e := range logs.All() {
		ls = append(ls, e.Level.String()+" "+e.Message)
	}
	return ls
}

func TestLogTellsALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		put(l, 0, "a", "bad")
		o, logs := zapAt(zap.InfoLevel)
		observed(t, orders.Serial(failing(map[string]int{"bad": 2}), stream.Named("charge")).RetryOnError(retries(2)).HaltOnError().CommitEach(),
			[]stream.Option{l.Source(), stream.Observe(o), stream.Named("billing")}, func(p *stream.Pipeline) {
				pass(time.Hour)
				if err := p.Resume(p.Halts()[0]); err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
			})
		want := []string{"info partition assigned", "warn failed, it is tried again", "error partition halted", "info partition resumed", "info draining",
			"info partition revoked", "info ended"}
		if got := lines(logs); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("lines: %q, want %q", got, want)
		}
	})
}

func TestLogOfAFailureSaysWhatWhereAndHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 2)
		put(l, 1, "a", "bad")
		o, logs := zapAt(zap.InfoLevel)
		observed(t, orders.Serial(failing(map[string]int{"bad": -1}), stream.Named("charge")).RetryOnError(retries(2)).SkipOnError().CommitEach(),
			[]stream.Option{l.Source(), stream.Observe(o), stream.Named("billing")}, func(*stream.Pipeline) { pass(time.Hour) })
		got := logs.FilterMessage("failed, it is skipped").All()
		if len(got) != 1 || got[0].Level != zap.WarnLevel {
			t.Fatalf("lines: %v", lines(logs))
		}
		want := map[string]any{"pipeline": "billing", "topic": "orders", "partition": int64(1), "offset": int64(1), "key": "key-bad", "step": "charge",
			"attempt": int64(2), "duration": time.Second, "error": "charging bad: down"}
		if fields := got[0].ContextMap(); fmt.Sprint(fields) != fmt.Sprint(want) {
			t.Errorf("fields: %v, want %v", fields, want)
		}
	})
}

func TestLogHasEachRecordAtDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		put(l, 0, "a", "b", "c")
		o, logs := zapAt(zap.DebugLevel)
		observed(t, orders.Serial(failing(nil), stream.Named("charge")).CommitEvery(3, 0), []stream.Option{l.Source(), stream.Observe(o)},
			func(*stream.Pipeline) { pass(time.Hour) })
		done := logs.FilterMessage("done").All()
		if len(done) != 3 || done[2].ContextMap()["offset"] != int64(2) || done[2].ContextMap()["duration"] != time.Second {
			t.Errorf("lines: %v", done)
		}
		if c := logs.FilterMessage("committed").All(); len(c) != 1 {
			t.Errorf("commits: %v", c)
		}
	})
}

func TestLogLeavesAStormOutAndSaysHowMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		for range 1000 {
			put(l, 0, "bad")
		}
		o, logs := zapAt(zap.WarnLevel)
		observed(t, orders.Concurrent(1000, failing(map[string]int{"bad": 1 << 30}), stream.Named("charge")).SkipOnError().CommitEvery(1000, 0),
			[]stream.Option{l.Source(), stream.Observe(o)}, func(*stream.Pipeline) { pass(time.Minute) })
		told := 0
		for _, e := range logs.All() {
			told++
			if n, ok := e.ContextMap()["left_out"].(int64); ok {
				told += int(n)
				if e.ContextMap()["offset"] == nil {
					told-- // the line that only says so
				}
			}
		}
		if told != 1000 || logs.Len() > 20 {
			t.Errorf("%d lines tell of %d failures, want few that tell of 1000: %v", logs.Len(), told, lines(logs))
		}
	})
}

func TestSlogHasTheSameLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		put(l, 0, "bad")
		var out bytes.Buffer
		observed(t, orders.Serial(failing(map[string]int{"bad": 1}), stream.Named("charge")).SkipOnError().CommitEach(),
			[]stream.Option{l.Source(), stream.Named("billing"), stream.Observe(ops.LogSlog(slog.New(slog.NewJSONHandler(&out, nil))))},
			func(*stream.Pipeline) { pass(time.Hour) })
		for s := range strings.Lines(out.String()) {
			var got map[string]any
			if err := json.Unmarshal([]byte(s), &got); err != nil {
				t.Fatal(err)
			}
			if got["msg"] != "failed, it is skipped" {
				continue
			}
			if got["level"] != "WARN" || got["pipeline"] != "billing" || got["offset"] != 0.0 || got["step"] != "charge" || got["duration"] != 1e9 {
				t.Errorf("line: %s", s)
			}
			return
		}
		t.Errorf("no such line in %s", out.String())
	})
}

func TestLogOfAPanicHasItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		put(l, 0, "a")
		o, logs := zapAt(zap.InfoLevel)
		observed(t, orders.Map(explode).SkipOnError().CommitEach(), []stream.Option{l.Source(), stream.Observe(o)}, func(*stream.Pipeline) { pass(time.Hour) })
		got := logs.FilterMessage("failed, it is skipped").All()
		if len(got) != 1 || !strings.Contains(fmt.Sprint(got[0].ContextMap()["stack"]), "explode") {
			t.Errorf("lines: %v", got)
		}
	})
}
