package zaplog_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/ops/zaplog"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// charge runs a worker that fails on one of three records, with a logger of that level.
func charge(t *testing.T, level zapcore.Level) *observer.ObservedLogs {
	t.Helper()
	core, logs := observer.New(level)
	synctest.Test(t, func(t *testing.T) {
		l := streamtest.Kafka("orders", 1)
		opstest.Put(l, 0, "a", "bad", "c")
		s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": -1}), stream.Named("charge")).SkipOnError().CommitEach()
		opts := []stream.Option{l.Source(), stream.Named("billing"), stream.Observe(zaplog.To(zap.New(core)))}
		opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
	})
	return logs
}

func TestTo(t *testing.T) {
	t.Run("writes levels, messages and typed fields", func(t *testing.T) {
		logs := charge(t, zap.InfoLevel)
		var lines []string
		for _, e := range logs.All() {
			lines = append(lines, e.Level.String()+" "+e.Message)
		}
		want := []string{"info partition assigned", "warn failed, it is skipped", "info draining", "info partition revoked", "info ended"}
		if fmt.Sprint(lines) != fmt.Sprint(want) {
			t.Errorf("lines: %q, want %q", lines, want)
		}
		failed := logs.FilterMessage("failed, it is skipped").All()[0]
		fields := map[string]any{"pipeline": "billing", "code": "LW512", "topic": "orders", "partition": int64(0), "offset": int64(1), "key": "key-bad",
			"step": "charge", "attempt": int64(1), "duration": time.Second, "error": "charging bad: down"}
		if got := failed.ContextMap(); fmt.Sprint(got) != fmt.Sprint(fields) {
			t.Errorf("fields: %v, want %v", got, fields)
		}
		err, _ := failed.Context[len(failed.Context)-1].Interface.(error)
		if !errors.Is(err, opstest.ErrDown) {
			t.Errorf("the error is %v, want the handler's own", err)
		}
	})

	t.Run("writes each record at debug", func(t *testing.T) {
		if done := charge(t, zap.DebugLevel).FilterMessage("done").All(); len(done) != 2 || done[1].Level != zap.DebugLevel {
			t.Errorf("lines: %v", done)
		}
	})

	t.Run("writes nothing below the logger's level", func(t *testing.T) {
		if logs := charge(t, zap.ErrorLevel); logs.Len() != 0 {
			t.Errorf("lines: %v", logs.All())
		}
	})

	t.Run("is refused by Build without a logger", func(t *testing.T) { opstest.Refuses(t, zaplog.To(nil)) })
}
