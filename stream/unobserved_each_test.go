package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// Each kind of failure has a line in slog's default logger, of a level that fits it.
func TestUnobservedFailures(t *testing.T) {
	fails := func(ctx, string) error { return errBoom }
	letters := func(err error) *sink[stream.Failure] { return &sink[stream.Failure]{err: err} }
	for name, c := range map[string]struct {
		chain stream.Stream[string]
		want  string
	}{
		"halted":             {commitNow(input.Serial(fails).HaltOnError()), `level=ERROR msg="partition halted"`},
		"parked":             {commitNow(input.GroupByKey().Concurrent(2, fails).ParkOnError()), `level=ERROR msg="lane parked"`},
		"retried":            {commitNow(input.Serial(fails).RetryOnError(every(time.Second, 2)).SkipOnError()), `level=WARN msg="failed, it is tried again"`},
		"skipped":            {commitNow(input.Serial(fails).SkipOnError()), `level=WARN msg="failed, it is skipped"`},
		"dead-lettered":      {commitNow(input.Serial(fails).DeadLetterOnError(letters(nil))), `level=WARN msg="failed, it is dead-lettered"`},
		"dead letter failed": {commitNow(input.Serial(fails).DeadLetterOnError(letters(errBoom)).SkipOnError()), `level=ERROR msg="dead letter failed"`},
		"without a policy":   {commitNow(input.Serial(fails)), `level=ERROR msg="failed, the pipeline ends"`},
		"the end":            {commitNow(input.Serial(fails)), `level=ERROR msg=ended`},
		"postponed": {commitNow(input.Serial(func(ctx, string) error {
			return stream.Postpone(errBoom, func(c ctx) error { <-c.Done(); return c.Err() })
		})), `level=WARN msg="not attempted, it waits"`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0")
				got := logged(t, func() {
					p, err := c.chain.Build(l.Source())
					must(t, err)
					during(t, p, func() { elapse(time.Minute) })
				})
				if !slices.ContainsFunc(got, func(line string) bool {
					return strings.HasPrefix(line, c.want) && strings.Contains(line, "code=LW") && (strings.Contains(line, "boom") || name == "the end")
				}) {
					t.Errorf("no %s in:\n%s", c.want, strings.Join(got, "\n"))
				}
			})
		})
	}
}

// A default logger may be a bridge to OTLP, which refuses a whole batch of lines for one that is no
// UTF-8.
func TestUnobservedText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &checkedText{}
		defer slog.SetDefault(slog.Default())
		slog.SetDefault(slog.New(h))
		bad := fmt.Errorf("no \xff, %w", errBoom)
		l := newLog(1)
		put(l, 0, "a0")
		fails := func(ctx, string) error { return bad }
		chain := input.Serial(fails, stream.Named("charge \xff")).DeadLetterOnError(&sink[stream.Failure]{err: bad}).HaltOnError(stream.ResumeAfter(time.Hour))
		p, err := commitNow(chain).Build(l.Source(), stream.Named("billing \xff"))
		must(t, err)
		during(t, p, func() { elapse(time.Minute) })
		all := strings.Join(h.texts, "\n")
		if !utf8.ValidString(all) || !strings.Contains(all, `no \xff, boom`) || !strings.Contains(all, `charge \xff`) || !strings.Contains(all, `billing \xff`) {
			t.Errorf("%q", h.texts)
		}
		if !h.wraps {
			t.Error("an error has lost what it wraps")
		}
	})
}

// checkedText is a slog.Handler that keeps all texts of its lines.
type checkedText struct {
	texts []string
	wraps bool // a line had an error that wraps errBoom
}

func (*checkedText) Enabled(context.Context, slog.Level) bool { return true }
func (h *checkedText) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *checkedText) WithGroup(string) slog.Handler          { return h }
func (h *checkedText) Handle(_ context.Context, r slog.Record) error {
	h.texts = append(h.texts, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		h.texts = append(h.texts, fmt.Sprint(a.Value.Any()))
		if err, ok := a.Value.Any().(error); ok {
			h.wraps = h.wraps || errors.Is(err, errBoom)
		}
		return true
	})
	return nil
}

// What happens to a partition as a whole has a line, too.
func TestUnobservedPartitionTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, l *testLog, m *streamtest.Member[string])
		want string
	}{
		"commit failed": {func(t *testing.T, _ *testLog, m *streamtest.Member[string]) {
			m.FailCommits(func(map[tp]int64) error { return errBoom })
			must(t, m.Assign(0))
			elapse(time.Second)
		}, `level=WARN msg="commit failed"`},
		"partition lost": {func(t *testing.T, _ *testLog, m *streamtest.Member[string]) {
			must(t, m.Assign(0))
			must(t, m.Lose(0))
		}, `level=WARN msg="partition lost"`},
		"drain incomplete": {func(t *testing.T, l *testLog, m *streamtest.Member[string]) {
			put(l, 0, "stuck")
			must(t, m.Assign(0))
			synctest.Wait()
			_ = m.Revoke(time.Second, 0)
		}, `level=WARN msg="drain incomplete"`},
		"topic recreated": {func(t *testing.T, l *testLog, m *streamtest.Member[string]) {
			must(t, m.Assign(0))
			elapse(time.Second)
			l.Recreate()
		}, `level=WARN msg="topic was deleted and made again"`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := newLog(1)
				put(l, 0, "a0")
				m := l.Member()
				handle := func(c ctx, v string) error {
					if v == "stuck" {
						<-c.Done()
					}
					return c.Err()
				}
				got := logged(t, func() {
					p, err := commitNow(input.Serial(handle)).Build(m.Source())
					must(t, err)
					during(t, p, func() { c.do(t, l, m); synctest.Wait() })
				})
				if !slices.ContainsFunc(got, func(line string) bool {
					return strings.HasPrefix(line, c.want) && strings.Contains(line, "code=LW")
				}) {
					t.Errorf("no %s in:\n%s", c.want, strings.Join(got, "\n"))
				}
			})
		})
	}
}

// during runs a pipeline while f runs.
func during(t *testing.T, p *stream.Pipeline, f func()) {
	c, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(c)
	}()
	f()
	stop()
	<-ended
}

// resetting is a source that says that it starts without a stored offset, or at another.
type resetting struct{ from int64 }

func (resetting) Info() stream.SourceInfo                              { return stream.SourceInfo{Name: "resetting"} }
func (resetting) Commit(context.Context, map[tp]stream.Position) error { return nil }
func (s resetting) Run(_ ctx, in *stream.Intake[string]) error {
	in.Emit(stream.OffsetReset{TopicPartition: tp{Topic: "t"}, From: s.from, To: 5, Policy: "earliest"})
	return nil
}

func TestUnobservedOffsetReset(t *testing.T) {
	for name, c := range map[string]struct {
		from  int64
		lines int
	}{
		"warns of an offset that is not in the log":      {2, 1},
		"says nothing of a group that has no offset yet": {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				got := logged(t, func() {
					must(t, commitNow(input.Serial(pass)).Run(t.Context(), stream.ReplaceSource(func() stream.Source[string] { return resetting{c.from} })))
				})
				if len(got) != c.lines || c.lines > 0 && !strings.HasPrefix(got[0], `level=WARN msg="offset reset"`) {
					t.Errorf("lines: %q", got)
				}
			})
		})
	}
}
