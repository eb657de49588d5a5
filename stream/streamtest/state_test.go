package streamtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/internal/conformance"
	"github.com/laneway-go/laneway/stream"
)

// spied is a member that passes its assignments to a test.
type spied struct {
	*Member[kafka.Message]
	assigned func(stream.Assignment)
}

func (s spied) Run(ctx context.Context, in *stream.Intake[kafka.Message]) error {
	return s.run(ctx, conformance.Spy{Intake: in, Assigned: s.assigned})
}

type stateLog struct{ *Log[kafka.Message] }

func (l stateLog) Append(n int)         { l.Log.Append(0, "k", make([]kafka.Message, n)...) }
func (l stateLog) Foreign(offset int64) { l.SetCommitted(0, offset) }

func (l stateLog) Source(assigned func(stream.Assignment)) stream.Source[kafka.Message] {
	m := l.Member()
	m.auto = true
	return spied{m, assigned}
}

func newStateLog() stateLog { return stateLog{Kafka("orders", 1)} }

func TestStates(t *testing.T) {
	conformance.RunStates(t, func(_ *testing.T, limit int) conformance.StateLog {
		l := newStateLog()
		if limit > 0 {
			l.RefuseStates(limit)
		}
		return l
	})
}

// running runs a member whose handler does nothing, until it has committed.
func running(t *testing.T, l stateLog, state string, f func(assigned []stream.Assignment)) {
	t.Helper()
	var as []stream.Assignment
	src := l.Source(func(a stream.Assignment) { as = append(as, a) }).(spied)
	ctx, cancel := context.WithCancel(t.Context())
	var wg conc.WaitGroup
	wg.Go(func() {
		err := stream.From(func() stream.Source[kafka.Message] { return committing{src, state} }).
			Serial(func(context.Context, kafka.Message) error { return nil }).
			CommitEvery(1000, time.Second).
			Run(ctx)
		if err != nil {
			t.Error(err)
		}
	})
	time.Sleep(time.Minute) // virtual time, in which it commits
	synctest.Wait()
	f(as)
	cancel()
	wg.Wait()
}

// committing is a source that stores its own state instead of the pipeline's.
type committing struct {
	spied
	state string
}

func (c committing) Commit(ctx context.Context, at map[stream.TopicPartition]stream.Position) error {
	with := map[stream.TopicPartition]stream.Position{}
	for tp, p := range at {
		p.State = c.state
		with[tp] = p
	}
	return c.spied.Commit(ctx, with)
}

func TestTruncate(t *testing.T) {
	for name, c := range map[string]struct {
		at        int64
		more      int   // records appended after that
		committed int64 // of the next assignment, like logEnd
		logEnd    int64
	}{
		"above the committed offset": {at: 8, more: 10, committed: 5, logEnd: 8},
		"below the committed offset": {at: 3, more: 10, committed: 5, logEnd: 5},
		"below, without new records": {at: 3, committed: -1, logEnd: 3},
		"at the end":                 {at: 10, more: 10, committed: 5, logEnd: 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newStateLog()
				l.Append(10)
				running(t, l, "s", func([]stream.Assignment) {})
				l.part(0).stored.offset = 5 // the other records read have not finished
				l.Truncate(0, c.at)
				l.Append(c.more)
				running(t, l, "s", func(as []stream.Assignment) {
					if a := as[0]; len(as) != 1 || a.Committed != c.committed || a.LogEnd != c.logEnd || (a.State == "") != (c.committed < 0) {
						t.Errorf("assigned %+v", as)
					}
					if got := l.Committed(0); c.more > 0 && got != l.End(0) {
						t.Errorf("committed %d, but the log ends at %d", got, l.End(0))
					}
				})
			})
		})
	}
	t.Run("below a member's position", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newStateLog()
			l.Append(10)
			running(t, l, "s", func([]stream.Assignment) {
				l.Truncate(0, 4)
				synctest.Wait()
				l.Append(2)
				time.Sleep(time.Minute)
				if got := l.Committed(0); got != 6 {
					t.Errorf("committed %d, but the log ends at 6", got)
				}
			})
		})
	})
}

func TestSetState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newStateLog()
		l.Append(10)
		running(t, l, "was stored", func([]stream.Assignment) {})
		if got := l.State(0); got != "was stored" {
			t.Errorf("stored %q", got)
		}
		for _, state := range []string{"is damaged", ""} {
			l.SetState(0, state)
			running(t, l, "", func(as []stream.Assignment) {
				if a := as[0]; a.Committed != 10 || a.State != state {
					t.Errorf("assigned %+v", a)
				}
			})
		}
	})
}
