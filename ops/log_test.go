package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/ops/internal/opstest"
	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// written holds the lines of a log.
type written struct{ bytes.Buffer }

func (w *written) from(level slog.Level) stream.Observer {
	return ops.Log(slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})))
}

// lines returns all lines, or those with a message.
func (w *written) lines(t *testing.T, msg string) (ls []map[string]any) {
	t.Helper()
	for s := range strings.Lines(w.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(s), &l); err != nil {
			t.Fatal(err)
		}
		if msg == "" || l["msg"] == msg {
			ls = append(ls, l)
		}
	}
	return ls
}

// shows checks fields of a line.
func shows(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if fmt.Sprint(line[k]) != fmt.Sprint(v) {
			t.Errorf("%s is %v, want %v, in %v", k, line[k], v, line)
		}
	}
}

func TestLog(t *testing.T) {
	t.Run("writes start and end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "bad")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": 2}), stream.Named("charge")).
				RetryOnError(opstest.Retries(2)).HaltOnError().CommitEach()
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelInfo)), stream.Named("billing")}
			opstest.Run(t, s, opts, func(p *stream.Pipeline) {
				opstest.Pass(time.Hour)
				if err := p.Resume(p.Halts()[0]); err != nil {
					t.Fatal(err)
				}
				opstest.Pass(time.Hour)
			})
			var got []string
			for _, l := range w.lines(t, "") {
				got = append(got, fmt.Sprint(l["level"], " ", l["msg"]))
			}
			want := []string{"INFO partition assigned", "WARN failed, it is tried again", "ERROR partition halted",
				"INFO partition resumed", "INFO draining", "INFO partition revoked", "INFO ended"}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("lines: %q, want %q", got, want)
			}
		})
	})

	t.Run("warns of a halt that ends by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "bad")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": 1}), stream.Named("charge")).
				HaltOnError(stream.ResumeAfter(time.Minute)).CommitEach()
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelInfo))}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			halted, resumed := w.lines(t, "partition halted"), w.lines(t, "partition resumed")
			if len(halted) != 1 || len(resumed) != 1 || halted[0]["resume_at"] == nil {
				t.Fatalf("lines: %s", w.String())
			}
			shows(t, halted[0], map[string]any{"level": "WARN"})
			shows(t, resumed[0], map[string]any{"by_itself": true})
		})
	})

	t.Run("writes what failed, where, and how long it took", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 2)
			opstest.Put(l, 1, "a", "bad")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": -1}), stream.Named("charge")).
				RetryOnError(opstest.Retries(2)).SkipOnError().CommitEach()
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelInfo)), stream.Named("billing")}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			got := w.lines(t, "failed, it is skipped")
			if len(got) != 1 {
				t.Fatalf("lines: %s", w.String())
			}
			shows(t, got[0], map[string]any{"level": "WARN", "pipeline": "billing", "topic": "orders", "partition": 1, "offset": 1,
				"key": "key-bad", "step": "charge", "attempt": 2, "duration": 1e9, "error": "charging bad: down"})
		})
	})

	t.Run("writes each record at debug", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "b", "c")
			s := opstest.Orders.Serial(opstest.Failing(nil), stream.Named("charge")).CommitEvery(3, time.Minute)
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelDebug))}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			done := w.lines(t, "done")
			if len(done) != 3 {
				t.Fatalf("lines: %s", w.String())
			}
			shows(t, done[2], map[string]any{"offset": 2, "duration": 1e9})
			if c := w.lines(t, "committed"); len(c) != 1 {
				t.Errorf("commits: %v", c)
			}
		})
	})

	t.Run("thins repeated lines and counts them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 1)
			for range 1000 {
				opstest.Put(l, 0, "bad")
			}
			s := opstest.Orders.Concurrent(1000, opstest.Failing(map[string]int{"bad": 1 << 30}), stream.Named("charge")).
				SkipOnError().CommitEvery(1000, time.Minute)
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelWarn))}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			lines, told := w.lines(t, "failed, it is skipped"), 0
			for _, l := range lines {
				if l["offset"] != nil {
					told++
				}
				if n, ok := l["left_out"].(float64); ok {
					told += int(n)
				}
			}
			if told != 1000 || len(lines) > 20 {
				t.Errorf("%d lines report %d failures, want few lines that report 1000: %s", len(lines), told, w.String())
			}
		})
	})

	t.Run("writes the stack of a panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var w written
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a")
			s := opstest.Orders.Map(explode).SkipOnError().CommitEach()
			opts := []stream.Option{l.Source(), stream.Observe(w.from(slog.LevelInfo))}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			got := w.lines(t, "failed, it is skipped")
			if len(got) != 1 || !strings.Contains(fmt.Sprint(got[0]["stack"]), "explode") {
				t.Errorf("lines: %s", w.String())
			}
		})
	})

	t.Run("writes only UTF-8", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &checking{t: t}
			l := streamtest.Kafka("orders", 1)
			l.Append(0, "\xff", kafka.Message{Value: []byte("\xff\xfe\xe2(")})
			s := opstest.Orders.Map(quote, stream.Named("decode \xff")).
				RetryOnError(opstest.Retries(2)).
				DeadLetterOnError(refusing{}).SkipOnError().CommitEach()
			opts := []stream.Option{l.Source(), stream.Observe(ops.Log(slog.New(h))), stream.Named("\xff")}
			opstest.Run(t, s, opts, func(*stream.Pipeline) { opstest.Pass(time.Hour) })
			all := strings.Join(h.texts, "\n")
			for _, want := range []string{`cannot decode \xff\xfe\xe2(`, `refused \xff`, `decode \xff`} {
				if !strings.Contains(all, want) {
					t.Errorf("no line has %q: %q", want, h.texts)
				}
			}
			if !h.wrapped {
				t.Error("an error lost its wrapped error")
			}
		})
	})

	t.Run("lets its handler call the pipeline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &asking{}
			o := stream.Observer{Attach: func(p *stream.Pipeline) (stream.Observer, error) {
				h.ask = p
				return ops.Log(slog.New(h)).Attach(p)
			}}
			l := streamtest.Kafka("orders", 1)
			opstest.Put(l, 0, "a", "bad")
			s := opstest.Orders.Serial(opstest.Failing(map[string]int{"bad": 1})).HaltOnError().CommitEach()
			opstest.Run(t, s, []stream.Option{l.Source(), stream.Observe(o)}, func(*stream.Pipeline) { opstest.Pass(time.Minute) })
			if h.asked.Load() == 0 {
				t.Error("no line was written")
			}
		})
	})

	t.Run("is refused by Build without a logger", func(t *testing.T) { opstest.Refuses(t, ops.Log(nil)) })
}

func explode(context.Context, kafka.Message) (kafka.Message, error) { panic("explode") }

// quote fails with an error that quotes the record.
func quote(_ context.Context, m kafka.Message) (kafka.Message, error) {
	return m, fmt.Errorf("cannot decode %s: %w", m.Value, opstest.ErrDown)
}

// refusing is a dead-letter sink whose error also contains invalid bytes.
type refusing struct{}

func (refusing) Write(context.Context, []stream.Out[stream.Failure]) error {
	return errors.New("refused \xff")
}

// checking is a slog.Handler that accepts only UTF-8, like OTLP.
type checking struct {
	slog.Handler
	t *testing.T

	mu      sync.Mutex // guards the fields below
	texts   []string
	wrapped bool
}

func (h *checking) Enabled(context.Context, slog.Level) bool { return true }

func (h *checking) WithAttrs(as []slog.Attr) slog.Handler {
	for _, a := range as {
		h.attr(a)
	}
	return h
}

func (h *checking) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		h.attr(a)
		return true
	})
	return nil
}

func (h *checking) attr(a slog.Attr) {
	h.text(a.Key)
	h.text(fmt.Sprint(a.Value.Any()))
	err, _ := a.Value.Any().(error)
	h.wrapped = h.wrapped || errors.Is(err, opstest.ErrDown)
}

func (h *checking) text(s string) {
	if h.texts = append(h.texts, s); !utf8.ValidString(s) {
		h.t.Errorf("not UTF-8: %q", s)
	}
}

// asking is a slog.Handler that calls the pipeline on every line.
type asking struct {
	slog.Handler
	ask   *stream.Pipeline
	asked atomic.Int64
}

func (h *asking) Enabled(context.Context, slog.Level) bool { return true }
func (h *asking) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h *asking) Handle(context.Context, slog.Record) error {
	opstest.Asks(h.ask)
	h.asked.Add(1)
	return nil
}
