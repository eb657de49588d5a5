package stream_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// forked makes x1, x2 and x3 of x.
func forked(_ ctx, in in, out out) error {
	for e := range in {
		for i, f := range e.Fork(3) {
			out <- f.With(fmt.Sprint(e.Value, i+1))
		}
	}
	return nil
}

// A park ends as soon as its own records allow, and for these alone.
func TestParkRelease(t *testing.T) {
	t.Run("follows the last child of its record, whatever else runs", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("x1", errBoom)
			put(l, 0, "x", "y")
			fail, release, end := w.hold("x1"), w.hold("x2"), w.hold("y1")
			j := start(t, l, commitNow(input.Transform("fork", forked).Concurrent(4, w.do).ParkOnError()))
			fail()
			synctest.Wait()
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			release()
			synctest.Wait()
			sameSet(t, "done of x", w.doneOf("x"), []string{"x3", "x2", "x1", "x2", "x3"})
			end()
			synctest.Wait()
			j.committed(2)
		})
	})
	t.Run("of each key of a joined element", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b1")
			j := start(t, l, commitNow(input.GroupByKey().Transform("pair", inPairs).Concurrent(4, w.do).ParkOnError()))
			put(l, 0, "b2", "c3")
			synctest.Wait()
			same(t, "done", w.done(), nil)
			hs := j.Halts()
			if len(hs) != 2 {
				t.Fatalf("halts: %v", hs)
			}
			for _, h := range hs {
				must(t, j.Resume(h))
			}
			synctest.Wait()
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
			must(t, j.stop())
			j.committed(4)
		})
	})
	t.Run("by a Skip is in the commit of a drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork().poison("b0", errBoom)
			put(l, 0, "b0", "b1")
			release, fail := first.hold("b1"), second.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().MapConcurrent(4, first.echo).Concurrent(4, second.do).ParkOnError()))
			fail()
			synctest.Wait()
			must(t, j.Skip(j.halt())) // it waits for b1
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			j.committed(1)
		})
	})
	t.Run("leaves room for other lanes until the budget is full", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			put(l, 0, count("b", 9)...)
			start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do).ParkOnError()), stream.MaxInFlight(10))
			for _, v := range count("a", 20) {
				put(l, 0, v)
				synctest.Wait()
			}
			same(t, "done", w.done(), count("a", 20))
		})
	})
	t.Run("flushes a batch that waits for elements that the budget keeps out", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom).poison("c2", errBoom).poison("d3", errBoom).poison("e4", errBoom)
			put(l, 0, "b0", "a1", "c2", "d3", "e4")
			j := start(t, l, commitNow(input.GroupByKey().MapConcurrent(4, w.echo).ParkOnError().Batch(10, 0)), stream.MaxInFlight(4))
			j.explains(stream.CausePark, []stream.Cause{stream.CauseBudget}, "1 finished above it", "4 lanes and records of it are parked")
		})
	})
}

// A park that comes from a resume state is of its key alone, too.
func TestParkRestored(t *testing.T) {
	// two parks a batch of a and one of b, whose records lie between each other, and starts the
	// next worker.
	two := func(t *testing.T, w *work, opts ...stream.Option) (j *job, a stream.Halt) {
		l := newLog(1)
		w.fail("a0 a2", errBoom).fail("b1 b3", errBoom)
		put(l, 0, "a0", "b1", "a2", "b3")
		chain := commitNow(input.GroupByKey().Batch(2, 0).Concurrent(4, joined(w)).ParkOnError())
		must(t, start(t, l, chain, stream.BuildID("v1")).stop())
		j = start(t, l, chain, append(opts, stream.BuildID("v1"))...)
		hs := j.Halts()
		i := slices.IndexFunc(hs, func(h stream.Halt) bool { return string(h.Meta.Key) == "a" && h.Restored })
		if len(hs) != 2 || i < 0 {
			t.Fatalf("halts: %v", hs)
		}
		return j, hs[i]
	}
	skipped := func(j *job) (at []int64) {
		for _, s := range heard[stream.Skipped](j) {
			at = append(at, s.Meta.Offset)
		}
		slices.Sort(at)
		return at
	}
	t.Run("skips none of another key", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			j, a := two(t, w)
			must(t, j.SkipRange(a, 0, 2))
			synctest.Wait()
			if at := skipped(j); !slices.Equal(at, []int64{0, 2}) {
				t.Errorf("skipped: %v", at)
			}
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "done", w.done(), []string{"b1 b3"})
			j.committed(4)
		})
	})
	t.Run("skips none of another key that is not read yet", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWork()
			j, a := two(t, w, stream.MaxInFlight(1))
			says(t, j.SkipRange(a, 0, 2), "have not all been read yet")
			for range 4 {
				for _, h := range j.Halts() {
					must(t, j.Resume(h))
				}
				synctest.Wait()
			}
			done := strings.Fields(strings.Join(w.done(), " "))
			sameSet(t, "done", done, []string{"a0", "b1", "a2", "b3"})
			if at := skipped(j); at != nil {
				t.Errorf("skipped: %v", at)
			}
			j.committed(4)
		})
	})
}

// TestHaltEvents: an observer that is slow to hear of a halt hears of its end later.
func TestHaltEvents(t *testing.T) {
	slow := func(told *[]string) stream.Option {
		var mu sync.Mutex
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			*told = append(*told, what)
		}
		return stream.Observe(stream.Observer{Event: func(e stream.Event) {
			switch e.(type) {
			case stream.Halted, stream.Paused:
				time.Sleep(time.Minute)
				note("begun")
			case stream.Resumed:
				note("resumed")
			}
		}})
	}
	for name, policy := range map[string]func(stream.Stream[string]) stream.Stream[string]{
		"a park": func(s stream.Stream[string]) stream.Stream[string] { return s.ParkOnError() },
		"a halt": func(s stream.Stream[string]) stream.Stream[string] { return s.HaltOnError() },
	} {
		t.Run("tell the end of "+name+" of an earlier worker behind its beginning", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().fail("a0", errBoom)
				put(l, 0, "a0")
				chain := commitNow(policy(input.GroupByKey().Concurrent(4, w.do)))
				must(t, start(t, l, chain, stream.BuildID("v1")).stop())
				var told []string
				j := start(t, l, chain, stream.BuildID("v1"), slow(&told))
				must(t, j.Resume(j.halt()))
				elapse(time.Hour)
				same(t, "told", told, []string{"begun", "resumed"})
				same(t, "done", w.done(), []string{"a0"})
			})
		})
	}
	t.Run("tell the end of a pause of an earlier worker behind its beginning", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			j := start(t, l, keyed(w))
			j.pause(t)
			must(t, j.stop())
			put(l, 0, "a0")
			var told []string
			j = start(t, l, keyed(w), slow(&told))
			must(t, j.Resume(j.halt()))
			elapse(time.Hour)
			same(t, "told", told, []string{"begun", "resumed"})
			same(t, "done", w.done(), []string{"a0"})
		})
	})
	t.Run("tell the end of a park by hand behind its beginning", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			var told []string
			j := start(t, l, keyed(w), slow(&told))
			parked := make(chan struct{})
			go func() {
				defer close(parked)
				j.parkKey(t, "a")
			}()
			synctest.Wait()
			must(t, j.Resume(j.halt()))
			elapse(time.Hour)
			<-parked
			same(t, "told", told, []string{"begun", "resumed"})
		})
	})
}
