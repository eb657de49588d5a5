package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// A transaction that fails and does not say why.

func TestBisectTransaction(t *testing.T) {
	t.Run("halts only at the row that a transaction cannot write", func(t *testing.T) {
		for bad := range 19 {
			bubble(t, func(t *testing.T) {
				rows := count("a", 19)
				l, b := newLog(1), newDatabase().poison(rows[bad])
				put(l, 0, rows...)
				j := start(t, l, input.CommitWith(b, 500, time.Second).RetryOnError(every(time.Second, 3)).HaltOnError())
				elapse(time.Minute)

				h := j.halt()
				if h.Meta.Offset != int64(bad) || h.Last != int64(bad) || h.Joined || h.Value != rows[bad] || h.Attempts != 3 || !errors.Is(h.Err, errBoom) {
					t.Errorf("halt: %+v", h)
				}
				if want := fmt.Sprintf("commitwith: t[0]@%d failed after 3 attempts: boom; Resume retries the record, Skip gives it up", bad); !strings.HasSuffix(h.String(), want) {
					t.Errorf("%q does not end with %q", h, want)
				}
				same(t, "stored before it", b.stored(), rows[:bad])
				if n := b.calls(); n > 3+4*5+8 {
					t.Errorf("%d calls", n)
				}
				must(t, j.Skip(h))
				elapse(time.Minute)
				same(t, "stored in the end", b.stored(), slices.Delete(slices.Clone(rows), bad, bad+1))
				if n := len(heard[stream.Skipped](j)); n != 1 {
					t.Errorf("%d records are said to be given up, want 1", n)
				}
				must(t, j.stop())
				j.committed(19)
			})
		}
	})

	t.Run("begins once the attempts are used up, and gives a part one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a1")
			put(l, 0, count("a", 4)...)
			j := start(t, l, input.CommitWith(b, 4, 0).RetryOnError(every(time.Second, 3)).HaltOnError())
			elapse(1999 * time.Millisecond)
			if n := b.calls(); n != 2 || len(b.stored()) != 0 {
				t.Errorf("%d calls, stored %v", n, b.stored())
			}
			elapse(time.Minute)
			if n := b.calls(); n != 3+3 { // a0 a1, a0, a1
				t.Errorf("%d calls, want 6", n)
			}
			if n := len(heard[stream.Retrying](j)); n != 2 {
				t.Errorf("%d retries, want 2", n)
			}
			same(t, "transactions", b.written(), []string{"0:[0,1) a0"})
			must(t, j.stop())
			j.committed(1)
		})
	})

	t.Run("is not for failures of the whole", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().refuse(stream.Whole(errBoom))
			put(l, 0, count("a", 4)...)
			j := start(t, l, input.CommitWith(b, 4, 0).HaltOnError())
			elapse(time.Minute)
			h := j.halt()
			if h.Meta.Offset != 0 || h.Last != 3 || h.Joined || b.calls() != 1 || !strings.Contains(h.String(), "one of t[0]@0 … @3 failed after 1 attempt: boom; Resume retries all of them, SkipRange") {
				t.Errorf("after %d calls: %v", b.calls(), h)
			}
			if err := j.Skip(h); !errors.Is(err, stream.ErrSeveral) || !strings.Contains(err.Error(), "one of t[0]@0 … @3") {
				t.Error(err)
			}
			if err := j.SkipRange(h, 4, 9); err == nil || errors.Is(err, stream.ErrStale) {
				t.Error(err)
			}
			must(t, j.SkipRange(h, 1, 2))
			elapse(time.Minute)
			same(t, "stored", b.stored(), []string{"a0", "a3"})
			var given []int64
			for _, s := range heard[stream.Skipped](j) {
				given = append(given, s.Meta.Offset)
			}
			if !slices.Equal(given, []int64{1, 2}) {
				t.Errorf("given up are %v", given)
			}
			must(t, j.stop())
			j.committed(4)
		})
	})

	t.Run("halts only the partition of the row", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(4), newDatabase().poison("c1")
			for p, key := range []string{"a", "b", "c", "d"} {
				put(l, p, count(key, 3)...)
			}
			j := start(t, l, input.CommitWith(b, 12, 0).HaltOnError())
			elapse(time.Minute)
			if h := j.halt(); h.Value != "c1" {
				t.Error(h)
			}
			j.committed(3, 3, 1, 3)
			must(t, j.stop())
		})
	})

	t.Run("tries partitions without attempts left apart from the others", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase().poison("b0").refuse(errOther)
			put(l, 0, "a0")
			j := start(t, l, input.CommitWith(b, 100, time.Second).RetryOnError(every(time.Second, 2)).HaltOnError())
			elapse(time.Second) // a0 is refused, due again in a second
			put(l, 1, "b0")
			elapse(time.Minute)
			if told := heard[stream.StepEvent](j); len(told) == 0 || told[0].Text != "a transaction of 1 result failed: trying its halves" {
				t.Fatalf("told: %+v", told) // a0 and b0 were not in one transaction
			}
			same(t, "stored", b.stored(), []string{"a0"})
			if h := j.halt(); h.Value != "b0" {
				t.Errorf("halted: %v", h)
			}
			must(t, j.stop())
			j.committed(1, -1)
		})
	})
	t.Run("blames no record if all partitions fail alike", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase().poison(append(count("a", 3), count("b", 3)...)...)
			put(l, 0, count("a", 3)...)
			put(l, 1, count("b", 3)...)
			j := start(t, l, input.CommitWith(b, 6, 0).HaltOnError())
			elapse(time.Minute)
			hs := j.Halts()
			if len(hs) != 2 || hs[0].Meta.Offset != 0 || hs[0].Last != 2 || hs[1].Last != 2 {
				t.Error(hs)
			}
			must(t, j.stop())
		})
	})

	t.Run("blames no record if not even a transaction without results succeeds", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			rows := count("a", 20)
			l, b := newLog(1), newDatabase()
			for range 100 {
				b.refuse(errBoom)
			}
			put(l, 0, rows...)
			j := start(t, l, input.CommitWith(b, 500, time.Second).RetryOnError(every(time.Second, 3)).HaltOnError())
			elapse(time.Minute)
			h := j.halt()
			if h.Meta.Offset != 0 || h.Last != 19 || h.Joined || h.Attempts != 3 || !strings.Contains(h.String(), "one of t[0]@0 … @19 failed after 3 attempts: boom") {
				t.Errorf("halt: %v", h)
			}
			if n := b.calls(); n > 3+4*5+8 {
				t.Errorf("%d calls", n)
			}
			if err := j.Skip(h); !errors.Is(err, stream.ErrSeveral) || !strings.Contains(err.Error(), "SkipRange") {
				t.Error(err)
			}
			b.before = nil
			must(t, j.SkipRange(h, 0, 1))
			elapse(time.Minute)
			same(t, "stored", b.stored(), rows[2:])
			must(t, j.stop())
			j.committed(20)
		})
	})

	t.Run("blames the records that errors of its parts name, even if these are alike", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(2), newDatabase().refuse(errBoom, &stream.PartialError{Errs: map[int]error{1: errBoom}}, &stream.PartialError{Errs: map[int]error{1: errBoom}})
			put(l, 0, count("a", 2)...)
			put(l, 1, count("b", 2)...)
			j := start(t, l, input.CommitWith(b, 4, 0).HaltOnError())
			elapse(time.Minute)
			hs := j.Halts()
			if len(hs) != 2 || hs[0].Meta.Offset != 1 || hs[0].Last != 1 || hs[1].Meta.Offset != 1 {
				t.Error(hs)
			}
			must(t, j.stop())
		})
	})

	t.Run("tries an outage of the whole that it meets there with attempts of its own", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().refuse(errBoom, errBoom, errBoom, stream.Whole(errOther))
			put(l, 0, "a0", "a1")
			j := start(t, l, input.CommitWith(b, 2, 0).RetryOnError(every(time.Second, 2)).HaltOnError())
			elapse(time.Minute) // two attempts, a0 alone, no record
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
			same(t, "stored", b.stored(), []string{"a0", "a1"})
			must(t, j.stop())
		})
	})

	t.Run("keeps the results of a record, or of a Batch, together", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("b2")
			put(l, 0, "a", "b", "c")
			j := start(t, l, input.FlatMap(thrice).CommitWith(b, 3, 0).HaltOnError())
			elapse(time.Minute)
			if h := j.halt(); h.Meta.Offset != 1 || h.Last != 1 || h.Joined {
				t.Error(h)
			}
			same(t, "transactions", b.written(), []string{"0:[0,1) a1 a2 a3"})
			must(t, j.stop())
		})
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a2+a3")
			put(l, 0, count("a", 6)...)
			join := func(_ ctx, vs []string) (string, error) { return strings.Join(vs, "+"), nil }
			j := start(t, l, input.Batch(2, 0).Map(join).CommitWith(b, 6, 0).HaltOnError())
			elapse(time.Minute)
			h := j.halt()
			if h.Meta.Offset != 2 || h.Last != 3 || !h.Joined || !strings.Contains(h.String(), "t[0]@2 … @3, one element, failed") {
				t.Error(h)
			}
			must(t, j.Skip(h))
			elapse(time.Minute)
			same(t, "stored", b.stored(), []string{"a0+a1", "a4+a5"})
			must(t, j.stop())
			j.committed(6)
		})
	})

	t.Run("ends with a failure of the whole, which has its own attempts", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a1")
			b.refuse(nil, nil, stream.Whole(errBoom)) // two attempts, and a0 a1 of the search
			put(l, 0, count("a", 4)...)
			j := start(t, l, input.CommitWith(b, 4, 0).RetryOnError(every(time.Second, 2)).HaltOnError())
			elapse(1500 * time.Millisecond)
			if b.calls() != 3 || len(j.Halts()) != 0 {
				t.Errorf("%d calls, %v", b.calls(), j.Halts())
			}
			elapse(time.Minute)
			if h := j.halt(); h.Value != "a1" {
				t.Error(h)
			}
			same(t, "stored", b.stored(), []string{"a0"})
			must(t, j.stop())
		})
	})

	t.Run("leaves the records after a culprit for later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a3", "a12", "a13")
			put(l, 0, count("a", 20)...)
			j := start(t, l, input.CommitWith(b, 20, 0).HaltOnError())
			for _, bad := range []string{"a3", "a12", "a13"} {
				elapse(time.Minute)
				if h := j.halt(); h.Value != bad {
					t.Fatalf("%v, want %s", h, bad)
				}
				must(t, j.Skip(j.halt()))
			}
			elapse(time.Minute)
			if n := len(b.stored()); n != 17 {
				t.Errorf("%d are stored, want 17", n)
			}
			must(t, j.stop())
			j.committed(20)
		})
	})

	t.Run("names the culprit to FailOnError", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase().poison("a2")
			put(l, 0, count("a", 4)...)
			j := start(t, l, input.CommitWith(b, 4, 0))
			var failed *stream.StepError
			if err := j.wait(); !errors.As(err, &failed) || failed.Offset != 2 {
				t.Error(err)
			}
			j.committed(2)
		})
	})
}
