package stream_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestTo(t *testing.T) {
	t.Run("keeps the order below when a sink refuses some", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a0", "a1", "a2", "a3")
			l.Finish()
			j := start(t, l, commitNow(input.To(partly("a1")).RetryOnError(every(time.Millisecond, 2)).Serial(w.do)))
			must(t, j.wait())
			same(t, "order below", w.done(), []string{"a0", "a1", "a2", "a3"})
			j.committed(4)
		})
	})
	t.Run("holds back elements written together with a halted one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a1", errBoom)
			put(l, 0, "a0", "a1", "a2", "a3")
			j := start(t, l, commitNow(input.To(&sink[string]{}).Map(w.echo).HaltOnError()))
			same(t, "started", w.tried(), []string{"a0", "a1"})
			j.committed(1)
		})
	})
	t.Run("is finished when the sink has it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), &sink[string]{takes: time.Second}
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.To(s)))
			j.committed(-1)
			elapse(2 * time.Second)
			same(t, "written", s.values(), []string{"a", "b"})
			if m := s.all()[1].Meta; m.String() != "t[0]@1" || string(m.Key) != "b" {
				t.Errorf("lineage: %v", m)
			}
			j.committed(2)
		})
	})
	t.Run("writes queued elements in one write", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), &sink[string]{takes: time.Second}
			put(l, 0, count("a", 1200)...)
			j := start(t, l, commitNow(input.Map(func(_ ctx, v string) (string, error) { return v, nil }).To(s)))
			elapse(time.Minute)
			same(t, "written", s.values(), count("a", 1200))
			if n := len(s.writes); n > 8 {
				t.Errorf("%d writes", n)
			}
			for _, w := range s.writes {
				if len(w) > 1000 {
					t.Errorf("%d in one write", len(w))
				}
			}
			j.committed(1200)
		})
	})
	t.Run("writes once at a time per partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(3), &sink[string]{takes: time.Second}
			for i, k := range []string{"a", "b", "c"} {
				put(l, i, count(k, 50)...)
			}
			start(t, l, commitNow(input.Concurrent(16, pass[string]).To(s)))
			elapse(time.Hour)
			if one, all := s.peaks(); one != 1 || all != 3 {
				t.Errorf("%d at a time for one partition, %d overall; want 1 and 3", one, all)
			}
		})
	})
	t.Run("holds no worker while it writes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, s := newLog(1), newWork(), &sink[string]{takes: time.Hour}
			put(l, 0, "a", "b", "c")
			start(t, l, commitNow(input.Serial(w.do).To(s)))
			same(t, "done while the sink writes", w.done(), []string{"a", "b", "c"})
		})
	})
	t.Run("passes elements on below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, s := newLog(1), newWork(), new(sink[string])
			put(l, 0, "a", "b")
			j := start(t, l, commitNow(input.To(s).Serial(w.do)))
			same(t, "below", w.done(), []string{"a", "b"})
			j.committed(2)
		})
	})
	t.Run("retries the failed elements alone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w, tries := newLog(1), newWork(), 0
			put(l, 0, "a", "b", "c")
			s := &sink[string]{fail: func(es []stream.Out[string]) error {
				if tries++; tries == 1 {
					return &stream.PartialError{Errs: map[int]error{1: errBoom}}
				}
				return nil
			}}
			j := start(t, l, commitNow(input.To(s).RetryOnError(every(time.Second, 3)).Serial(w.do)))
			elapse(time.Minute)
			var writes []string
			for _, es := range s.writes {
				var vs []string
				for _, e := range es {
					vs = append(vs, e.Value)
				}
				writes = append(writes, strings.Join(vs, " "))
			}
			same(t, "writes", writes, []string{"a b c", "b"})
			same(t, "below, in order", w.done(), []string{"a", "b", "c"})
			j.committed(3)
		})
	})
	t.Run("has policies when it fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(2)
			put(l, 0, "a", "b")
			put(l, 1, "c")
			s := &sink[string]{fail: func(es []stream.Out[string]) error {
				for i, e := range es {
					if e.Value == "b" {
						return &stream.PartialError{Errs: map[int]error{i: errBoom}}
					}
				}
				return nil
			}}
			j := start(t, l, commitNow(input.To(s).HaltOnError()))
			if h := j.halt(); h.Meta.Offset != 1 || !errors.Is(h.Err, errBoom) {
				t.Errorf("halt: %v", h)
			}
			j.committed(1, 1)
		})
	})
	t.Run("keeps the order of lanes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, s := newLog(1), new(sink[string])
			var want []string
			for i := range 300 {
				v := fmt.Sprintf("%c%d", 'a'+i%5, i)
				put(l, 0, v)
				want = append(want, v)
			}
			start(t, l, commitNow(input.GroupByKey().Concurrent(8, pass[string]).To(s)))
			synctest.Wait()
			for _, k := range []string{"a", "b", "c", "d", "e"} {
				of := func(v string) bool { return v[:1] != k }
				same(t, "key "+k, slices.DeleteFunc(s.values(), of), slices.DeleteFunc(slices.Clone(want), of))
			}
		})
	})
}
