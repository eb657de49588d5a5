package stream_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHaltBySource(t *testing.T) {
	t.Run("names the offset, and Skip continues after it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b")
			j := join(t, l, input.Serial(w.do).CommitEvery(100, time.Second))
			l.StopAt(0, 1)
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Halt(0, 1, 2, errBoom))
			put(l, 0, "c")
			l.StopAt(0, -1)
			synctest.Wait()
			same(t, "while halted", w.done(), []string{"a"})
			h := j.halt()
			if h.Meta.String() != "t[0]@1" || !errors.Is(h.Err, errBoom) {
				t.Errorf("halt: %v", h)
			}
			must(t, j.Skip(h))
			elapse(time.Second)
			same(t, "after Skip", w.done(), []string{"a", "c"})
			j.committed(3)
		})
	})
	t.Run("finishes records fed before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "broken", "c")
			l.StopAt(0, 2)
			j := join(t, l, commitNow(input.Serial(w.do)))
			release := w.hold("a")
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Halt(0, 2, 3, errBoom))
			release()
			synctest.Wait()
			same(t, "before the halt", w.done(), []string{"a", "b"})
			j.committed(2)
			l.StopAt(0, -1)
			must(t, j.Skip(j.halt()))
			synctest.Wait()
			same(t, "behind it", w.done(), []string{"a", "b", "c"})
			j.committed(4)
		})
	})
	t.Run("is released apart from the halt of a record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom)
			put(l, 0, "a", "b", "broken", "c")
			l.StopAt(0, 2)
			j := join(t, l, commitNow(input.Serial(w.do).HaltOnError()))
			release := w.hold("a")
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Halt(0, 2, 3, errBoom))
			release()
			synctest.Wait()
			hs := j.Halts()
			if len(hs) != 2 {
				t.Fatalf("halts: %v", hs)
			}
			l.StopAt(0, -1)
			for _, h := range hs {
				must(t, j.Skip(h))
			}
			synctest.Wait()
			same(t, "in the end", w.done(), []string{"b", "c"})
			j.committed(4)
			if err := j.Ready(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("reads again after Resume", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, "a", "b", "c")
			j := join(t, l, commitNow(input.Serial(w.do)))
			l.StopAt(0, 1)
			must(t, j.member.Assign(0))
			synctest.Wait()
			must(t, j.member.Halt(0, 1, 2, errBoom))
			l.StopAt(0, -1)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "after Resume", w.done(), []string{"a", "b", "c"})
			j.committed(3)
		})
	})
}
