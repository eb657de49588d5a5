package stream_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
