package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestSinkWrites(t *testing.T) {
	t.Run("never overlap in a partition when a sink is used twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(2), &sink[string]{takes: time.Second}
			j := start(t, l, commitNow(input.To(s).GroupByKey().Concurrent(4, pass).To(s)))
			for range 20 {
				put(l, 0, "a")
				put(l, 1, "b")
				elapse(300 * time.Millisecond)
			}
			elapse(time.Hour)
			if one, all := s.peaks(); one != 1 || all != 2 {
				t.Errorf("%d writes at a time for one partition, %d overall; want 1 and 2", one, all)
			}
			j.committed(20, 20)
		})
	})
	t.Run("never overlap when two steps send dead letters", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, dead := newLog(1), newWork(), &sink[stream.Failure]{takes: time.Second}
			w.poison("a", errBoom).poison("b", errBoom)
			put(l, 0, "a", "b")
			second := func(c ctx, v string) error { return w.do(c, v) }
			first := func(c ctx, v string) error {
				if v == "a" {
					return w.do(c, v)
				}
				return nil
			}
			j := start(t, l, commitNow(input.Concurrent(2, first).DeadLetterOnError(dead).Concurrent(2, second).DeadLetterOnError(dead)))
			elapse(time.Hour)
			if one, _ := dead.peaks(); one != 1 || len(dead.all()) != 2 {
				t.Errorf("%d writes at a time, of %d", one, len(dead.all()))
			}
			j.committed(2)
		})
	})
	t.Run("wait for one that outlives its assignment", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), &sink[string]{takes: time.Minute, deaf: true}
			put(l, 0, "a")
			j := join(t, l, commitNow(input.To(s)))
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Lose(0))
			must(t, j.member.Assign(0))
			elapse(time.Hour)
			if one, _ := s.peaks(); one != 1 || len(s.all()) != 2 {
				t.Errorf("%d writes at a time, of %d", one, len(s.all()))
			}
			j.committed(1)
		})
	})
}
