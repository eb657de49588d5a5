package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestResume(t *testing.T) {
	t.Run("does not reprocess finished records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("b0", errBoom)
			put(l, 0, "a0", "b0", "c0", "d0", "b1")
			release := w.hold("b0") // fails when the others are through
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do).HaltOnError()))
			release()
			synctest.Wait()
			same(t, "before", w.done(), slices.DeleteFunc(w.done(), func(v string) bool { return v[0] == 'b' }))
			j.committed(1)

			if err := j.Resume(j.halt()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			sameSet(t, "tried", w.tried(), []string{"a0", "b0", "b0", "c0", "d0", "b1"})
			same(t, "of key b", w.doneOf("b"), []string{"b0", "b1"})
			j.committed(5)
		})
	})
	t.Run("waits for running handlers", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, "a0", "b0")
			fail, release := w.hold("a0"), w.hold("b0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError()))
			fail()
			synctest.Wait()
			h := j.halt()
			if err := j.Resume(h); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			sameSet(t, "tried while b0 runs", w.tried(), []string{"a0", "b0"})
			if err := j.Resume(h); !errors.Is(err, stream.ErrStale) {
				t.Errorf("a second Resume of the same halt: %v", err)
			}
			release()
			synctest.Wait()
			sameSet(t, "tried", w.tried(), []string{"a0", "b0", "a0"})
			j.committed(2)
		})
	})
	t.Run("refuses a stale halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a", errBoom, errBoom).poison("b", errBoom)
			put(l, 0, "a", "b")
			j := join(t, l, commitNow(input.Serial(w.do).HaltOnError()))
			must(t, j.member.Assign(0))
			synctest.Wait()
			first := j.halt()
			wrong := first
			wrong.Meta.Offset++
			for _, f := range []func(stream.Halt) error{j.Resume, j.Skip} {
				if err := f(wrong); !errors.Is(err, stream.ErrStale) {
					t.Errorf("another offset: %v", err)
				}
			}

			must(t, j.member.Revoke(0, 0))
			if err := j.Skip(first); !errors.Is(err, stream.ErrStale) {
				t.Errorf("of a partition that is not here: %v", err)
			}
			must(t, j.member.Assign(0)) // the rebalance tries the record again, and fails again
			synctest.Wait()
			if err := j.Skip(first); !errors.Is(err, stream.ErrStale) {
				t.Errorf("of an earlier epoch: %v", err)
			}
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			if h := j.halt(); h.Meta.Offset != 1 || h.Epoch == first.Epoch {
				t.Errorf("halt: %v", h)
			}
			if err := j.stop(); err != nil {
				t.Error(err)
			}
			if err := j.Resume(first); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("after Run: %v", err)
			}
		})
	})
	t.Run("is refused once the pipeline ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork().poison("a", errBoom)
			put(l, 0, "a")
			put(l, 1, "b")
			fail, finish := w.hold("a"), w.hold("b")
			j := start(t, l, commitNow(input.GroupByPartition().Concurrent(2, w.do).HaltOnError()))
			l.Finish()
			synctest.Wait() // the source has ended
			fail()
			synctest.Wait()
			if err := j.Resume(j.halt()); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("Resume: %v", err)
			}
			finish()
			if err := j.wait(); err == nil {
				t.Error("Run told nothing of the halted partition")
			}
			j.committed(0, 1)
		})
	})
	t.Run("passes nothing below a commit twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, above, below := newLog(1), newWork().poison("a2", errBoom), newWork()
			put(l, 0, "a")
			j := start(t, l, input.FlatMap(thrice).Serial(above.do).HaltOnError().CommitBefore(1, 0).Serial(below.do))
			same(t, "above", above.tried(), []string{"a1", "a2"})
			above.poison("a2", nil)
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			same(t, "below", below.tried(), []string{"a1", "a2", "a3"})
			j.committed(1)
		})
	})
	t.Run("lets a later drain finish started records", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, first, second := newLog(1), newWork(), newWork().fail("a0", errBoom)
			put(l, 0, "a0")
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, first.do).Concurrent(2, second.do).HaltOnError()))
			must(t, j.Resume(j.halt()))
			synctest.Wait()
			release := second.hold("a1")
			put(l, 0, "a1", "a2")
			synctest.Wait() // a2 is through the first step and waits behind a1
			j.cancel()
			synctest.Wait()
			release()
			must(t, j.wait())
			same(t, "done", second.done(), []string{"a0", "a1", "a2"})
			j.committed(3)
		})
	})
}

func TestSkip(t *testing.T) {
	t.Run("gives up the whole source record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("x2", errBoom)
			put(l, 0, "a", "x", "b")
			j := start(t, l, input.FlatMap(thrice).Serial(w.do).HaltOnError().CommitEvery(100, time.Second))
			same(t, "before", w.done(), []string{"a1", "a2", "a3", "x1"})

			if err := j.Skip(j.halt()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			same(t, "after", w.done(), []string{"a1", "a2", "a3", "x1", "b1", "b2", "b3"})
			if got := heard[stream.Skipped](j); len(got) != 1 || got[0].Meta.Offset != 1 || got[0].Value != "x2" {
				t.Errorf("events: %v", got)
			}
			elapse(time.Second)
			j.committed(3)
		})
	})
	t.Run("is committed without another record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("x", errBoom)
			put(l, 0, "x")
			j := start(t, l, input.Serial(w.do).HaltOnError().CommitEvery(100, time.Second))
			elapse(time.Minute)
			if err := j.Skip(j.halt()); err != nil {
				t.Fatal(err)
			}
			elapse(time.Second)
			j.committed(1)
		})
	})
	t.Run("in progress is in the commit of a revoke", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			put(l, 0, "a")
			put(l, 1, "b", "c")
			w.poison("b", errBoom)
			slow, bad, busy := w.hold("a"), w.hold("b"), w.hold("c")
			late := stream.Observe(stream.Observer{Event: func(e stream.Event) {
				if _, ok := e.(stream.Skipped); ok {
					time.Sleep(time.Second)
				}
			}})
			j := join(t, l, input.GroupByKey().Concurrent(4, w.do).HaltOnError().CommitEvery(100, time.Hour), late)
			must(t, j.member.Assign(0, 1))
			synctest.Wait()
			bad()
			synctest.Wait()
			must(t, j.Skip(j.halt())) // as soon as c has finished
			revoked := make(chan error)
			go func() { revoked <- j.member.Revoke(0, 0, 1) }()
			synctest.Wait()
			busy()
			synctest.Wait()
			slow()
			must(t, <-revoked)
			j.committed(1, 2)
		})
	})
}

func TestWaitResumed(t *testing.T) {
	// running is a partition that is halted at a0 while b0 still runs.
	running := func(t *testing.T) (*job, stream.Halt, func()) {
		l, w := newLog(1), newWork().fail("a0", errBoom)
		put(l, 0, "a0", "b0")
		fail, release := w.hold("a0"), w.hold("b0")
		j := join(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do).HaltOnError()))
		must(t, j.member.Assign(0))
		synctest.Wait()
		fail()
		synctest.Wait()
		return j, j.halt(), release
	}
	wait := func(j *job, h stream.Halt) <-chan error {
		done := make(chan error, 1)
		go func() { done <- j.WaitResumed(j.t.Context(), h) }()
		synctest.Wait()
		return done
	}
	for name, verb := range map[string]func(*job, stream.Halt) error{
		"Resume": func(j *job, h stream.Halt) error { return j.Resume(h) },
		"Skip":   func(j *job, h stream.Halt) error { return j.Skip(h) },
	} {
		t.Run("returns when the partition continues after "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j, h, release := running(t)
				must(t, verb(j, h))
				writtenDown := stream.Halt{Failure: stream.Failure{Meta: h.Meta}, Epoch: h.Epoch}
				one, other := wait(j, h), wait(j, writtenDown)
				if len(one)+len(other) > 0 {
					t.Fatal("it did not wait for b0, which still runs")
				}
				release()
				must(t, <-one)
				must(t, <-other)
				must(t, j.WaitResumed(t.Context(), h)) // long since
			})
		})
	}
	t.Run("ends with its context", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, h, release := running(t)
			defer release()
			c, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := j.WaitResumed(c, h); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("WaitResumed: %v", err)
			}
		})
	})
	t.Run("reports that the partition was lost first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, h, release := running(t)
			defer release()
			must(t, j.Resume(h))
			waits := wait(j, h)
			must(t, j.member.Lose(0))
			if err := <-waits; !errors.Is(err, stream.ErrStale) {
				t.Errorf("WaitResumed: %v", err)
			}
			if err := j.WaitResumed(t.Context(), h); !errors.Is(err, stream.ErrStale) {
				t.Errorf("WaitResumed: %v", err)
			}
		})
	})
	t.Run("returns for a source's halt", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j := join(t, newLog(1), commitNow(input.Serial(pass)))
			must(t, j.member.Assign(0))
			must(t, j.member.Halt(0, 3, 4, errBoom))
			h := j.halt()
			waits := wait(j, h)
			must(t, j.Skip(h))
			must(t, <-waits)
		})
	})
	t.Run("returns at once when the pipeline does not run", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			j, h, release := running(t)
			release()
			must(t, j.stop())
			if err := j.WaitResumed(t.Context(), h); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("WaitResumed: %v", err)
			}
		})
	})
}
