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

// A record that has halted its partition is tried once by each build.
func TestDurableHalt(t *testing.T) {
	chain := func(w *work) stream.Stream[string] {
		return commitNow(input.GroupByKey().Concurrent(4, w.do).HaltOnError())
	}
	// halted is a log whose b1 has halted it, for build v1.
	halted := func(t *testing.T) (*testLog, *work) {
		l, w := newLog(1), newWork().poison("b1", errBoom)
		put(l, 0, "a0", "b1", "b2", "c3")
		j := start(t, l, chain(w), stream.BuildID("v1"))
		if h := j.halt(); h.Restored || h.Meta.Offset != 1 {
			t.Errorf("halted: %+v", h)
		}
		must(t, j.stop())
		return l, w
	}

	t.Run("survives restarts and rebalances of the same build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := halted(t)
			for range 100 {
				j := start(t, l, chain(w), stream.BuildID("v1"))
				h := j.halt()
				if !h.Restored || h.Meta.Offset != 1 || h.Step != "do" || h.Attempts != 1 || h.Err.Error() != "boom" || string(h.Meta.Key) != "b" {
					t.Fatalf("halted: %+v", h)
				}
				must(t, j.stop())
			}
			j := join(t, l, chain(w), stream.BuildID("v1"))
			for range 100 {
				must(t, j.member.Assign(0))
				synctest.Wait()
				j.halt()
				must(t, j.member.Revoke(0, 0))
			}
			if n := w.triesOf("b1"); n != 1 {
				t.Errorf("tried %d times, want once", n)
			}
		})
	})
	t.Run("survives a crash", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1")
			j := join(t, l, input.Concurrent(4, w.do).HaltOnError().CommitEvery(1000, time.Hour), stream.BuildID("v1"))
			must(t, j.member.Assign(0))
			synctest.Wait()
			j.member.Crash()
			<-j.ended
			j = start(t, l, chain(w), stream.BuildID("v1"))
			if h := j.halt(); !h.Restored {
				t.Errorf("halted: %+v", h)
			}
		})
	})
	t.Run("is retried once by another build, and again by neither", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := halted(t)
			for i, build := range []string{"v2", "v1", "v2", "v1"} {
				j := start(t, l, chain(w), stream.BuildID(build))
				if h := j.halt(); h.Restored != (i > 0) {
					t.Errorf("halted for %s: %+v", build, h)
				}
				must(t, j.stop())
			}
			if n := w.triesOf("b1"); n != 2 {
				t.Errorf("tried %d times, want twice", n)
			}
		})
	})
	t.Run("ends once another build finishes the record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, _ := halted(t)
			w := newWork()
			j := start(t, l, chain(w), stream.BuildID("v2"))
			j.committed(4)
			if hs := j.Halts(); len(hs) != 0 {
				t.Errorf("halts: %v", hs)
			}
		})
	})
	t.Run("is retried by an unknown build", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := halted(t)
			j := start(t, l, chain(w), stream.BuildID(""))
			if h := j.halt(); h.Restored || w.triesOf("b1") != 2 {
				t.Errorf("tried %d times; halted: %+v", w.triesOf("b1"), h)
			}
		})
	})
	t.Run("is retried if its step is gone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := halted(t)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do, stream.Named("other")).HaltOnError()), stream.BuildID("v1"))
			if h := j.halt(); h.Restored || h.Step != "other" {
				t.Errorf("halted: %+v", h)
			}
		})
	})
	t.Run("is stored in a smaller state if its first one was refused", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errors.New(strings.Repeat("boom", 50)))
			put(l, 0, "a0")
			l.RefuseStates(200)
			j := join(t, l, chain(w), stream.BuildID("v1"))
			must(t, j.member.Assign(0))
			elapse(time.Minute)
			j.member.Crash()
			<-j.ended
			j = start(t, l, chain(w), stream.BuildID("v1"))
			if h := j.halt(); !h.Restored || w.triesOf("a0") != 1 {
				t.Errorf("%v, after %d attempts", h, w.triesOf("a0"))
			}
		})
	})
	t.Run("survives at a step with a long name", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			name := strings.Repeat("charge the customer ", 5)
			l, w := newLog(1), newWork().poison("b1", errBoom)
			put(l, 0, "a0", "b1")
			for i := range 3 {
				j := start(t, l, commitNow(input.GroupByKey().Concurrent(4, w.do, stream.Named(name)).HaltOnError()), stream.BuildID("v1"))
				if h := j.halt(); h.Restored != (i > 0) || h.Step != name {
					t.Errorf("halted: %+v", h)
				}
				must(t, j.stop())
			}
		})
	})
	for _, verb := range []string{"resumed", "skipped"} {
		t.Run("continues when it is "+verb, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, _ := halted(t)
				w := newWork()
				j := start(t, l, chain(w), stream.BuildID("v1"))
				h := j.halt()
				want := []string{"b1", "b2"}
				if verb == "resumed" {
					must(t, j.Resume(h))
				} else {
					must(t, j.Skip(h))
					want = want[1:]
				}
				must(t, j.WaitResumed(t.Context(), h))
				synctest.Wait()
				j.committed(4)
				got := slices.DeleteFunc(w.done(), func(v string) bool { return v[0] != 'b' })
				same(t, "done", got, want)
				if n := len(heard[stream.Skipped](j)); n != 2-len(want) {
					t.Errorf("%d skipped", n)
				}
				must(t, j.stop())
				j = start(t, l, chain(newWork()), stream.BuildID("v1"))
				if hs := j.Halts(); len(hs) != 0 {
					t.Errorf("halts of the next worker: %v", hs)
				}
			})
		})
	}
	for name, halts := range map[string]func(stream.Stream[string]) stream.Stream[string]{
		"a halt": func(s stream.Stream[string]) stream.Stream[string] { return s.HaltOnError() },
		"a park": func(s stream.Stream[string]) stream.Stream[string] { return s.ParkOnError() },
	} {
		t.Run("does not survive a crash once it was resumed, as "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w := newLog(1), newWork().fail("b0", errBoom)
				put(l, 0, "b0")
				chain := func() stream.Stream[string] {
					return halts(input.GroupByKey().Concurrent(4, w.do)).CommitEvery(1000, time.Hour)
				}
				j := join(t, l, chain(), stream.BuildID("v1"))
				must(t, j.member.Assign(0))
				synctest.Wait()
				w.hold("b0")
				must(t, j.Resume(j.halt()))
				synctest.Wait()
				j.member.Crash()
				<-j.ended
				w = newWork()
				start(t, l, chain(), stream.BuildID("v1"))
				synctest.Wait()
				same(t, "done by the next worker", w.done(), []string{"b0"})
			})
		})
	}
	t.Run("ends by itself at the time that it was given", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			chain := commitNow(input.Concurrent(4, w.do).HaltOnError(stream.ResumeAfter(time.Minute)))
			began := time.Now()
			must(t, start(t, l, chain, stream.BuildID("v1")).stop())
			j := start(t, l, chain, stream.BuildID("v1"))
			if h := j.halt(); !h.Restored || h.ResumeAt.IsZero() {
				t.Errorf("halted: %+v", h)
			}
			elapse(2 * time.Minute)
			j.committed(1)
			if took := time.Since(began); took > 3*time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("keeps records that had finished above it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("b0", errBoom)
			put(l, 0, "b0")
			for i := range 20 {
				put(l, 0, fmt.Sprint("c", i))
			}
			release := w.hold("b0")
			j := start(t, l, chain(w), stream.BuildID("v1"))
			release()
			synctest.Wait()
			must(t, j.stop())
			w2 := newWork()
			j = start(t, l, chain(w2), stream.BuildID("v1"))
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			j.committed(21)
			same(t, "done", w2.done(), []string{"b0"})
		})
	})
}
