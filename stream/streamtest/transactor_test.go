package streamtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

var errAway = errors.New("the database is away")

// billed is a chain that stores each element once.
func billed(db *streamtest.Transactor[int]) stream.Stream[int] {
	return input.Serial(pass, stream.Named("bill")).CommitWith(db, 2, time.Second).RetryOnError(stream.RetryPolicy{})
}

func TestTransactor(t *testing.T) {
	t.Run("stores nothing of a transaction that fails, and all of one whose answer is lost", func(t *testing.T) {
		db := new(streamtest.Transactor[int])
		err := run(t, 1, 6, billed(db), func(_ *streamtest.Log[int], m *streamtest.Member[int]) {
			db.FailCommits(errAway, errAway)
			db.LoseAnswers(errAway, errAway)
			_ = m.Assign(0)
			synctest.Wait()
			if got := db.Results(); len(got) > 0 {
				t.Errorf("stored %v of a transaction that failed", got)
			}
			time.Sleep(time.Minute)
		})
		if got, want := db.Results(), []int{0, 1, 2, 3, 4, 5}; err != nil || !slices.Equal(got, want) {
			t.Errorf("stored %v, want %v: %v", got, want, err)
		}
	})
	t.Run("refuses offsets that are already stored", func(t *testing.T) {
		db, ctx := new(streamtest.Transactor[int]), context.Background()
		tp, other := stream.TopicPartition{Topic: "t"}, stream.TopicPartition{Topic: "t", Partition: 1}
		txn := func(from int64, v int) stream.Txn[int] {
			return stream.Txn[int]{Elems: []stream.Out[int]{{Value: v}}, Offsets: map[stream.TopicPartition]stream.OffsetRange{
				tp: {From: from, Next: from + 1, State: "halts"}, other: {From: from, Next: from + 1},
			}}
		}
		db.LoseAnswers(errAway)
		if err := db.Commit(ctx, txn(0, 1)); !errors.Is(err, errAway) {
			t.Errorf("its answer is not lost: %v", err)
		}
		var fenced *stream.FencedError
		if err := db.Commit(ctx, txn(0, 2)); !errors.As(err, &fenced) || len(fenced.Partitions) != 2 {
			t.Errorf("committed again: %v", err)
		}
		at, err := db.Restore(ctx, map[stream.TopicPartition]stream.TopicID{tp: {}})
		if want := (stream.Position{Offset: 1, State: "halts"}); err != nil || len(at) != 1 || at[tp] != want {
			t.Errorf("restored %v, %v", at, err)
		}
		if got := db.Results(); !slices.Equal(got, []int{1}) || db.Offset(tp) != 1 || db.Offset(stream.TopicPartition{}) != -1 {
			t.Errorf("stored %v at %d", got, db.Offset(tp))
		}
	})
}

func TestCrashAt(t *testing.T) {
	// crash runs a chain on a finished log until it crashes at its fourth call, and then again.
	crash := func(t *testing.T, chain stream.Stream[int]) *streamtest.Log[int] {
		l := newLog(1, 6)
		synctest.Test(t, func(t *testing.T) {
			l.Finish()
			m := l.Member()
			var err error
			var wg conc.WaitGroup
			wg.Go(func() { err = chain.Run(t.Context(), m.Source(), m.CrashAt("bill", 4)) })
			_ = m.Assign(0)
			wg.Wait()
			if !errors.Is(err, streamtest.ErrCrashed) {
				t.Errorf("the first member ended with %v", err)
			}
			if err := chain.Run(t.Context(), l.Source()); err != nil {
				t.Error(err)
			}
		})
		return l
	}
	t.Run("leaves the effect of the call, and no commit", func(t *testing.T) {
		var calls []int
		l := crash(t, input.Serial(func(_ context.Context, v int) error { calls = append(calls, v); return nil }, stream.Named("bill")).CommitEach())
		if want := []int{0, 1, 2, 3, 3, 4, 5}; !slices.Equal(calls, want) || l.Committed(0) != 6 {
			t.Errorf("called for %v, want %v; committed %d", calls, want, l.Committed(0))
		}
	})
	t.Run("stores no result twice with CommitWith", func(t *testing.T) {
		db := new(streamtest.Transactor[int])
		crash(t, billed(db))
		if got, want := db.Results(), []int{0, 1, 2, 3, 4, 5}; !slices.Equal(got, want) {
			t.Errorf("stored %v, want %v", got, want)
		}
	})
	t.Run("crashes all sources of a Merge, whichever has the record", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := newLog(1, 6), newLog(1, 6)
			a.Finish()
			b.Finish()
			var calls []int
			chain := stream.Merge(stream.From[int](nil).As("a"), stream.From[int](nil).As("b")).
				Serial(func(_ context.Context, v int) error { calls = append(calls, v); return nil }, stream.Named("bill")).CommitEach()
			ma, mb := a.Member(), b.Member()
			var err error
			var wg conc.WaitGroup
			wg.Go(func() { err = chain.Run(t.Context(), ma.SourceOf("a"), mb.SourceOf("b"), ma.CrashAt("bill", 3, mb)) })
			_ = mb.Assign(0) // its records come first
			synctest.Wait()
			began := time.Now()
			_ = ma.Assign(0)
			wg.Wait()
			if !errors.Is(err, streamtest.ErrCrashed) || errors.Is(err, stream.ErrDrain) || time.Since(began) != 0 {
				t.Errorf("the process ended with %v after %v", err, time.Since(began))
			}
			if want := []int{0, 1, 2}; !slices.Equal(calls, want) || a.Committed(0) > 0 || b.Committed(0) != 2 {
				t.Errorf("called for %v, want %v; committed %d and %d", calls, want, a.Committed(0), b.Committed(0))
			}
			if err := chain.Run(t.Context(), a.SourceOf("a"), b.SourceOf("b")); err != nil || len(calls) != 13 {
				t.Errorf("%v after %d calls, want 13", err, len(calls))
			}
		})
	})
	t.Run("does not end with the log when the call never comes", func(t *testing.T) {
		err := run(t, 1, 3, input.Serial(pass).CommitEach(), func(l *streamtest.Log[int], m *streamtest.Member[int]) {
			l.Finish()
			_ = m.CrashAt("bill", 1)
			_ = m.Assign(0)
			synctest.Wait()
			if err := m.Lose(); err != nil { // no partition
				t.Errorf("it has ended: %v", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
