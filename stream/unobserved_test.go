package stream_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// logged gives what goes to slog's default logger while f runs, line by line, without times.
func logged(t *testing.T, f func()) []string {
	t.Helper()
	var text lines
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	f()
	return text.all()
}

// lines is a buffer for several goroutines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.buf.String(), func(r rune) bool { return r == '\n' })
}

// failsAlways runs a chain on so many records that fail, and are skipped, once a record.
func failsAlways(t *testing.T, n int, opts ...stream.Option) {
	l := newLog(1)
	for i := range n {
		put(l, 0, fmt.Sprint("a", i))
	}
	l.Finish()
	boom := func(ctx, string) error { return errBoom }
	must(t, commitNow(input.Serial(boom, stream.Named("charge")).SkipOnError()).Run(t.Context(), append(opts, l.Source(), stream.Named("billing"))...))
}

func TestUnobserved(t *testing.T) {
	t.Run("logs failures to slog's default logger", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			same(t, "log", logged(t, func() { failsAlways(t, 1) }), []string{
				`level=WARN msg="failed, it is skipped" pipeline=billing code=LW512 step=charge record=t[0]@0 attempt=1 error=boom`})
		})
	})
	t.Run("logs the failure that ends the pipeline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			got := logged(t, func() {
				l := newLog(1)
				put(l, 0, "a")
				if input.Serial(func(ctx, string) error { return errBoom }).Run(t.Context(), l.Source()) == nil {
					t.Error("no error")
				}
			})
			if len(got) != 2 || !strings.Contains(got[0], `level=ERROR msg="failed, the pipeline ends"`) || !strings.Contains(got[1], "level=ERROR msg=ended") {
				t.Errorf("log: %q", got)
			}
		})
	})
	t.Run("warns of a halt that ends by itself, and of a handler that overruns its Timeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			got := logged(t, func() {
				l, tries := newLog(1), 0
				put(l, 0, "a")
				f := func(ctx, string) error {
					if tries++; tries > 1 {
						return nil
					}
					time.Sleep(time.Minute) // virtual, and heedless of the context
					return errBoom
				}
				chain := input.Serial(f, stream.Timeout(time.Second)).HaltOnError(stream.ResumeAfter(time.Minute))
				p, err := commitNow(chain).Build(l.Source())
				must(t, err)
				ended := make(chan error, 1)
				go func() { ended <- p.Run(t.Context()) }()
				elapse(time.Hour)
				l.Finish()
				must(t, <-ended)
			})
			if len(got) != 2 || !strings.Contains(got[0], `level=WARN msg="still running after its Timeout"`) ||
				!strings.Contains(got[1], `level=WARN msg="partition halted"`) || !strings.Contains(got[1], "resume_at=") {
				t.Errorf("log: %q", got)
			}
		})
	})
	t.Run("limits repeated lines", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			got := logged(t, func() {
				l := newLog(1)
				fails := func(ctx, string) error { return errBoom }
				p, err := commitNow(input.Serial(fails).SkipOnError()).Build(l.Source())
				must(t, err)
				ended := make(chan error, 1)
				go func() { ended <- p.Run(t.Context()) }()
				put(l, 0, count("a", 100)...)
				synctest.Wait()
				elapse(time.Second)
				put(l, 0, "last")
				l.Finish()
				must(t, <-ended)
			})
			if len(got) != 11 || !strings.HasSuffix(got[10], "left_out=90") {
				t.Errorf("log: %d lines, the last %q", len(got), got[len(got)-1])
			}
		})
	})
	t.Run("limits the lines of each step by itself, and says at the end what was left out", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			got := logged(t, func() {
				l := newLog(1)
				fails := func(_ ctx, v string) error {
					if v == "z" {
						return nil
					}
					return errBoom
				}
				put(l, 0, append(count("a", 100), "z")...)
				l.Finish()
				chain := input.Serial(fails, stream.Named("noisy")).SkipOnError().Serial(func(ctx, string) error { return errOther }, stream.Named("calm")).SkipOnError()
				must(t, commitNow(chain).Run(t.Context(), l.Source()))
			})
			if len(got) != 12 || !strings.Contains(got[10], "step=calm") || !strings.HasSuffix(got[11], "step=noisy left_out=90") || !strings.Contains(got[11], "level=WARN") {
				t.Errorf("log: %d lines, the last %q", len(got), got[max(0, len(got)-2):])
			}
		})
	})
	t.Run("logs nothing if nothing fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			same(t, "log", logged(t, func() {
				l := newLog(1)
				put(l, 0, "a")
				l.Finish()
				must(t, commitNow(input.Serial(pass)).Run(t.Context(), l.Source()))
			}), nil)
		})
	})
	for name, observe := range map[string]stream.Option{
		"logs nothing beside an observer": stream.Observe(stream.Observer{Event: func(stream.Event) {}}),
		"logs nothing with Observe()":     stream.Observe(),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				same(t, "log", logged(t, func() { failsAlways(t, 3, observe) }), nil)
			})
		})
	}
}
