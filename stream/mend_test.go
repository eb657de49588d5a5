package stream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// mending are the policies whose halts end by themselves.
var mending = map[string]func(stream.Stream[string], time.Duration) stream.Stream[string]{
	"HaltOnError": func(s stream.Stream[string], d time.Duration) stream.Stream[string] {
		return s.HaltOnError(stream.ResumeAfter(d))
	},
	"ParkOnError": func(s stream.Stream[string], d time.Duration) stream.Stream[string] {
		return s.ParkOnError(stream.ResumeAfter(d))
	},
}

func TestResumeAfterAnywhere(t *testing.T) {
	const wait = time.Minute
	build := stream.BuildID("v1")
	each := func(t *testing.T, name string, f func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string])) {
		for kind, policy := range mending {
			t.Run(name+"/"+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) { f(t, newWork(), policy) })
			})
		}
	}
	byItself := func(t *testing.T, j *job, n int) {
		t.Helper()
		got := heard[stream.Resumed](j)
		if len(got) != n {
			t.Fatalf("resumed: %v, want %d", got, n)
		}
		for _, r := range got {
			if !r.ByItself {
				t.Errorf("resumed: %v", r)
			}
		}
	}
	each(t, "in a branch", func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
		l, main := newLog(1), newWork()
		w.fail("a0", errBoom, errBoom)
		put(l, 0, "a0", "a1", "b0")
		j := start(t, l, commitNow(input.GroupByKey().AlsoTo(func(s stream.Stream[string]) stream.Stream[string] {
			return policy(s.Concurrent(2, w.do), wait)
		}).Concurrent(2, main.do)))
		elapse(10 * time.Minute)
		same(t, "a in the branch", w.doneOf("a"), []string{"a0", "a1"})
		byItself(t, j, 2)
		j.committed(3)
	})
	each(t, "below a Merge", func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
		p := newPair()
		w.fail("a0", errBoom, errBoom)
		put(p.eu, 0, "a0", "a1")
		put(p.us, 0, "b0")
		j := p.start(t, commitNow(policy(p.chain().GroupByKey().Concurrent(2, w.do), wait)))
		p.committed(t, -1, 1) // the other source goes on
		elapse(10 * time.Minute)
		same(t, "a", w.doneOf("a"), []string{"a0", "a1"})
		byItself(t, j, 2)
		p.committed(t, 2, 1)
	})
	each(t, "not during a drain", func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
		l := newLog(2)
		w.poison("a0", errBoom)
		slow := w.hold("b0")
		put(l, 0, "a0")
		put(l, 1, "b0")
		j := start(t, l, commitNow(policy(input.GroupByKey().Concurrent(2, w.do), wait)), stream.DrainTimeout(time.Hour))
		j.cancel()
		elapse(10 * wait)
		slow()
		must(t, j.wait())
		if n := w.triesOf("a0"); n != 1 {
			t.Errorf("%d attempts", n)
		}
		byItself(t, j, 0)
	})
	each(t, "after a restart, at its time", func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
		l := newLog(1)
		w.fail("a0", errBoom)
		put(l, 0, "a0", "a1")
		chain := commitNow(policy(input.GroupByKey().Concurrent(2, w.do), wait))
		j := start(t, l, chain, build)
		at := j.halt().ResumeAt
		elapse(wait / 2)
		must(t, j.stop())
		j = start(t, l, chain, build)
		if h := j.halt(); !h.Restored || h.ResumeAt.Sub(at).Abs() > time.Second {
			t.Errorf("halt: %+v, want its end at %v", h, at)
		}
		elapse(wait)
		same(t, "done", w.done(), []string{"a0", "a1"})
		byItself(t, j, 1)
		j.committed(2)
	})
	each(t, "after a restart that comes later than its end, at once", func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
		l := newLog(1)
		w.fail("a0", errBoom)
		put(l, 0, "a0", "a1")
		chain := commitNow(policy(input.GroupByKey().Concurrent(2, w.do), wait))
		must(t, start(t, l, chain, build).stop())
		elapse(time.Hour)
		start(t, l, chain, build)
		elapse(time.Second)
		same(t, "done", w.done(), []string{"a0", "a1"})
	})
	for verb, ends := range map[string]func(*job, stream.Halt) error{
		"Resume": func(j *job, h stream.Halt) error { return j.Resume(h) },
		"Skip":   func(j *job, h stream.Halt) error { return j.Skip(h) },
	} {
		each(t, "after a restart, unless a person is faster by "+verb, func(t *testing.T, w *work, policy func(stream.Stream[string], time.Duration) stream.Stream[string]) {
			l := newLog(1)
			w.fail("a0", errBoom)
			put(l, 0, "a0", "a1")
			chain := commitNow(policy(input.GroupByKey().Concurrent(2, w.do), wait))
			must(t, start(t, l, chain, build).stop())
			j := start(t, l, chain, build)
			must(t, ends(j, j.halt()))
			synctest.Wait()
			j.committed(2)
			elapse(24 * time.Hour)
			if got := heard[stream.Resumed](j); len(got) != 1 || got[0].ByItself {
				t.Errorf("resumed: %v", got)
			}
			if n, want := w.triesOf("a0"), map[string]int{"Resume": 2, "Skip": 1}[verb]; n != want {
				t.Errorf("%d attempts, want %d", n, want)
			}
		})
	}
}
