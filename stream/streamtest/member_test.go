package streamtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"go.uber.org/goleak"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs s on a member of a new log concurrently with f, and then drains it.
func run(t *testing.T, parts, records int, s stream.Stream[int], f func(l *streamtest.Log[int], m *streamtest.Member[int])) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLog(parts, records)
		m := l.Member()
		ctx, cancel := context.WithCancel(t.Context())
		var wg conc.WaitGroup
		wg.Go(func() { err = s.Run(ctx, m.Source()) })
		f(l, m)
		cancel()
		wg.Wait()
	})
	return err
}

var input = stream.From[int](nil)

func pass(context.Context, int) error { return nil }

func newLog(parts, records int) *streamtest.Log[int] {
	l := streamtest.NewLog[int]("t", parts, nil)
	for p := range parts {
		for i := range records {
			l.Append(p, "", i)
		}
	}
	return l
}

func TestMember(t *testing.T) {
	t.Run("stores other partitions if one is refused", func(t *testing.T) {
		tp := stream.TopicPartition{Topic: "t"}
		_ = run(t, 2, 3, input.Serial(pass).CommitEvery(1, 0), func(l *streamtest.Log[int], m *streamtest.Member[int]) {
			m.FailCommits(func(map[stream.TopicPartition]int64) error {
				return &stream.CommitError{Errs: map[stream.TopicPartition]error{tp: errors.New("no")}}
			})
			_ = m.Assign(0, 1)
			if err := l.WaitCommitted(context.Background(), 1, 3); err != nil {
				t.Error(err)
			}
			if at := l.Committed(0); at != -1 {
				t.Errorf("committed %d of the refused partition", at)
			}
			m.FailCommits(nil)
		})
	})
	t.Run("does not store a commit overtaken by a loss", func(t *testing.T) {
		err := run(t, 1, 3, input.Serial(pass).CommitEvery(3, 0, stream.ByCountOnly()), func(l *streamtest.Log[int], m *streamtest.Member[int]) {
			m.FailCommits(func(map[stream.TopicPartition]int64) error { time.Sleep(time.Second); return nil })
			_ = m.Assign(0)
			synctest.Wait()
			_ = m.Lose(0)
			time.Sleep(2 * time.Second)
			if at := l.Committed(0); at != -1 {
				t.Errorf("committed %d", at)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("can lose a partition while it is revoked", func(t *testing.T) {
		ended := make(chan error, 1)
		handler := func(ctx context.Context, _ int) error { <-ctx.Done(); ended <- context.Cause(ctx); return ctx.Err() }
		_ = run(t, 1, 1, input.Serial(handler).CommitEach(), func(_ *streamtest.Log[int], m *streamtest.Member[int]) {
			_ = m.Assign(0)
			synctest.Wait()
			var wg conc.WaitGroup
			wg.Go(func() { _ = m.Revoke(0, 0) })
			synctest.Wait()
			start := time.Now()
			_ = m.Lose(0)
			wg.Wait()
			if d := time.Since(start); d > 0 {
				t.Errorf("the revocation continued for %v", d)
			}
		})
		if err := <-ended; err == nil {
			t.Error("the handler's context has no cause")
		}
	})
	t.Run("of a finished log waits for its partitions", func(t *testing.T) {
		_ = run(t, 1, 3, input.Serial(pass).CommitEvery(1, 0), func(l *streamtest.Log[int], m *streamtest.Member[int]) {
			l.Finish()
			synctest.Wait()
			if err := m.Assign(0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if at := l.Committed(0); at != 3 {
				t.Errorf("committed %d, want 3", at)
			}
		})
	})
}
