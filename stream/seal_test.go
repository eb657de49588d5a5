package stream_test

import (
	"testing"
	"testing/synctest"
)

func TestHaltByTheSourceFinishesWhatWasFedBefore(t *testing.T) {
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
}

func TestHaltsOfASourceAndOfARecordAreReleasedEachByItself(t *testing.T) {
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
}
