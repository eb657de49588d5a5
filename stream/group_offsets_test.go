package stream_test

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestGroupOffsets(t *testing.T) {
	t.Run("catch up after a crash without a new record", func(t *testing.T) {
		// 4: they were set ahead of what is stored
		for _, group := range []int64{-1, 1, 4} {
			bubble(t, func(t *testing.T) {
				l, b := newLog(1), newDatabase()
				put(l, 0, count("a", 3)...)
				b.at[tp{Topic: "t"}] = stream.Position{Offset: 3}
				l.SetCommitted(0, group)
				j := start(t, l, input.CommitWith(b, 100, time.Second))
				elapse(2 * time.Second)
				j.committed(3)
				must(t, j.stop())
			})
		}
	})

	t.Run("are not committed if they are right, or nothing is stored", func(t *testing.T) {
		for _, stored := range []bool{true, false} {
			bubble(t, func(t *testing.T) {
				l, b := newLog(1), newDatabase()
				if put(l, 0, count("a", 3)...); stored {
					b.at[tp{Topic: "t"}] = stream.Position{Offset: 3}
				}
				l.SetCommitted(0, 3)
				j := join(t, l, input.CommitWith(b, 100, time.Second))
				j.member.FailCommits(func(map[tp]int64) error { t.Error("there was nothing to tell"); return nil })
				must(t, j.member.Assign(0))
				elapse(time.Minute)
				must(t, j.stop())
			})
		}
	})

	t.Run("are retried in a drain if the group refuses them at first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			j := join(t, l, input.CommitWith(b, 1, 0))
			must(t, j.member.Assign(0))
			refusals := 3
			j.member.FailCommits(func(map[tp]int64) error {
				if refusals--; refusals < 0 {
					return nil
				}
				return errBoom
			})
			put(l, 0, "a0")
			elapse(time.Millisecond)
			must(t, j.stop())
			j.committed(1)
		})
	})

	t.Run("hold up a drain only for a moment", func(t *testing.T) {
		for _, refusal := range []error{errBoom, stream.Permanent(errBoom), &stream.CommitError{Errs: map[tp]error{{Topic: "t"}: errBoom}}} {
			bubble(t, func(t *testing.T) {
				l, b := newLog(1), newDatabase()
				put(l, 0, "a0")
				j := join(t, l, input.CommitWith(b, 1, 0))
				j.member.FailCommits(func(map[tp]int64) error { return refusal })
				must(t, j.member.Assign(0))
				began := time.Now()
				must(t, j.stop())
				if took := time.Since(began); took > 3*time.Second || took > 0 && stream.IsPermanent(refusal) {
					t.Errorf("%v: it took %v", refusal, took)
				}
			})
		}
	})

	t.Run("include a transaction that succeeds although it was given up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, b := newLog(1), newDatabase()
			put(l, 0, "a0")
			j := join(t, l, input.CommitWith(&deaf{database: b, takes: 3500 * time.Millisecond, at: map[tp]int{}}, 1, 0))
			must(t, j.member.Assign(0))
			elapse(0) // the transaction is in progress
			must(t, j.member.Revoke(time.Second, 0))
			j.committed(1)
			_ = j.stop()
		})
	})
}
